"""A table in memory as LightGBM wants it: a matrix of numbers, and what is to be learnt. Called by `training.py`.

DuckDB reads it, encodes it and hands over numpy's arrays; pandas would need several times the memory.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np
from numpy.typing import NDArray

from workers import Failed
from workers.handlers.tables import columns, source
from workers.handlers.tables.columns import Column
from workers.handlers.tables.database import Database
from workers.handlers.tables.limits import Limits
from workers.handlers.tables.plan import Plan
from workers.handlers.tables.watch import watched
from workers.handlers.tables.words import failure, identifier

Numbers = NDArray[np.float64]

FEWEST_ROWS: Final = 50


@dataclass(frozen=True, slots=True)
class Table:
    """Rows with a target; `left_out` are columns that nothing can be learnt from."""

    features: tuple[Column, ...]
    target: Column
    matrix: Numbers
    wanted: Numbers
    left_out: tuple[str, ...]

    @property
    def categorical(self) -> list[int]:
        """The places of features that are words."""
        return [n for n, feature in enumerate(self.features) if feature.categories]


def read(path: Path, plan: Plan, limits: Limits, scratch: Path, tell: Callable[[float, float | None], None]) -> Table:
    """Raises Failed for what nothing can be learnt from, and says how to mend it."""
    with Database({"data": path}, limits, scratch) as database:
        database.lock(source.files(path))
        described = dict(database.columns("FROM data"))
        columns.check_target(described, plan.target)
        learnt = _target(database, described, plan)
        others = [(name, type_) for name, type_ in described.items() if name != plan.target]
        features = tuple(columns.features(database, others))
        _check_size(database, plan.target, len(features), limits)
        arrays = watched(database.connection, partial(_arrays, database, (*features, learnt)), tell)
    wanted = arrays.pop("target")
    _check_values(wanted, plan)
    used = {feature.name for feature in features}
    left_out = tuple(name for name, _ in others if name not in used)
    return Table(features, learnt, _matrix(arrays, len(features), len(wanted)), wanted, left_out)


def _target(database: Database, described: dict[str, str], plan: Plan) -> Column:
    if plan.learns_classes:
        return columns.classes(database, plan.target, plan.objective)
    return columns.number(described, plan.target, plan.objective)


def _check_size(database: Database, target: str, features: int, limits: Limits) -> None:
    ((rows,),) = database.run(f"SELECT count({identifier(target)}) FROM data")
    if int(str(rows)) < FEWEST_ROWS:
        raise Failed(
            f"It takes {FEWEST_ROWS} rows with a {target!r} to learn from, here are {rows}.", code="unfit_table"
        )
    if not features:
        raise Failed("No other column holds numbers, moments or words to learn from.", code="unfit_table")
    needed = int(str(rows)) * (features + 1) * 8 * 2  # doubles: once as they come, once as the matrix
    if needed > limits.memory:
        raise Failed(
            f"{rows} rows of {features} columns need {needed / 1e9:.1f} GB of memory, and {limits.memory / 1e9:.1f} "
            f"are allowed: leave out rows or columns, or raise the setting {limits.setting('MEMORY')}.",
            code="out_of_memory",
        )


def _arrays(database: Database, wanted: tuple[Column, ...]) -> dict[str, Numbers]:
    *features, target = wanted
    selected = ", ".join(f"{feature.sql} AS f{n}" for n, feature in enumerate(features))
    present = f"{identifier(target.name)} IS NOT NULL"
    try:
        fetched: dict[str, Any] = database.connection.execute(
            f"SELECT {selected}, {target.sql} AS target FROM data WHERE {present}"
        ).fetchnumpy()
    except duckdb.Error as error:
        raise failure(error, database.names, database.limits) from error
    return {name: np.ma.getdata(array) for name, array in fetched.items()}


def _check_values(wanted: Numbers, plan: Plan) -> None:
    if not np.isfinite(wanted).all():
        raise Failed(f"The target {plan.target!r} has values that are no finite number.", code="unfit_target")
    if plan.objective == "poisson" and (wanted < 0).any():
        raise Failed(f"The target {plan.target!r} has values below zero; poisson learns counts.", code="unfit_target")


def _matrix(arrays: dict[str, Numbers], features: int, rows: int) -> Numbers:
    matrix = np.empty((rows, features), dtype=np.float64)
    for n in range(features):
        matrix[:, n] = arrays.pop(f"f{n}")
    return matrix
