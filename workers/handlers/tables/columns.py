"""What can be learnt from in a table: which columns, and how each becomes numbers. Used by `table.py`."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from workers import Failed
from workers.handlers.tables.database import Database
from workers.handlers.tables.preview import MOMENTS, is_number
from workers.handlers.tables.words import identifier, text

MOST_FEATURES: Final = 10_000
MOST_CATEGORIES: Final = 1_000
"""Of one column, the most frequent; others count as missing."""

MOST_CLASSES: Final = 100
MOST_NAMED: Final = 20


@dataclass(frozen=True, slots=True)
class Column:
    """Its `sql` brings a DOUBLE: numbers as they are, moments as seconds, words as their place in `categories`."""

    name: str
    sql: str
    categories: tuple[str, ...] = ()


def features(database: Database, columns: Iterable[tuple[str, str]]) -> Iterator[Column]:
    """Those that can be learnt from. Lists, structs and blobs are left out."""
    for name, type_ in columns:
        quoted = identifier(name)
        if is_number(type_) or type_ == "BOOLEAN":
            yield Column(name, f"coalesce(CAST({quoted} AS DOUBLE), 'NaN'::DOUBLE)")
        elif type_.startswith(MOMENTS):
            yield Column(name, f"coalesce(CAST(epoch({quoted}) AS DOUBLE), 'NaN'::DOUBLE)")
        elif type_ in ("VARCHAR", "UUID", "TIME") or type_.startswith("ENUM"):
            yield encoded(database, name, _frequent(database, name))


def number(columns: dict[str, str], name: str, objective: str) -> Column:
    """A target that is a number. Raises Failed for one that is none."""
    if not is_number(columns[name]) and columns[name] != "BOOLEAN":
        raise Failed(
            f"The target {name!r} is {columns[name]}, and {objective} learns numbers: ask for the objective binary or "
            "multiclass, or make numbers of it.",
            code="unfit_target",
        )
    return Column(name, f"CAST({identifier(name)} AS DOUBLE)")


def classes(database: Database, name: str, objective: str) -> Column:
    """A target of classes. Raises Failed for too few and for too many."""
    quoted = identifier(name)
    found = database.run(
        f"SELECT CAST({quoted} AS VARCHAR) FROM data WHERE {quoted} IS NOT NULL GROUP BY {quoted} ORDER BY {quoted} "
        f"LIMIT {MOST_CLASSES + 1}"
    )
    most = 2 if objective == "binary" else MOST_CLASSES
    if not 2 <= len(found) <= most:
        told = f"more than {MOST_CLASSES}" if len(found) > MOST_CLASSES else str(len(found))
        taken = "2" if most == 2 else f"2 to {most}"
        raise Failed(f"The target {name!r} has {told} values, {objective} takes {taken}.", code="unfit_target")
    return encoded(database, name, [str(value) for (value,) in found])


def encoded(database: Database, name: str, values: Iterable[str]) -> Column:
    """By its categories; DuckDB's own ENUM finds the place of each."""
    categories = tuple(values)
    if not categories:
        return Column(name, "'NaN'::DOUBLE")
    type_ = identifier(f"categories of {name}")
    database.run(f"CREATE TYPE {type_} AS ENUM ({', '.join(map(text, categories))})")
    place = f"enum_code(TRY_CAST(CAST({identifier(name)} AS VARCHAR) AS {type_}))"
    return Column(name, f"coalesce(CAST({place} AS DOUBLE), 'NaN'::DOUBLE)", categories)


def check_target(columns: dict[str, str], target: str) -> None:
    """Raises Failed where there is no such column, and says which there are."""
    if target not in columns:
        names = ", ".join(list(columns)[:MOST_NAMED]) + (" …" if len(columns) > MOST_NAMED else "")
        raise Failed(f"The table has no column {target!r}; it has {names}.", code="unknown_column")
    if not 2 <= len(columns) <= MOST_FEATURES:
        raise Failed(f"A table has 2 to {MOST_FEATURES} columns, this has {len(columns)}.", code="unfit_table")


def _frequent(database: Database, name: str) -> list[str]:
    words = f"SELECT CAST({identifier(name)} AS VARCHAR) AS word FROM data"
    found = database.run(
        f"SELECT word FROM ({words}) WHERE word IS NOT NULL GROUP BY word ORDER BY count(*) DESC, word "
        f"LIMIT {MOST_CATEGORIES}"
    )
    return [str(value) for (value,) in found]
