"""One training: the table read, trees grown round by round, the model and a page about it saved. Called by `train`."""

import time
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import to_json

from workers import Context
from workers.handlers.tables import boosting, table
from workers.handlers.tables.boosting import Forest, Measured
from workers.handlers.tables.checkpoint import Checkpoint
from workers.handlers.tables.course import Course, is_told
from workers.handlers.tables.lesson import lesson
from workers.handlers.tables.limits import Limits
from workers.handlers.tables.plan import Plan
from workers.handlers.tables.table import Table

if TYPE_CHECKING:  # at run time only `boosting.py` imports it, which tells what it lacks
    from lightgbm import Booster

READ_PERCENT: Final = 10
GROWN_PERCENT: Final = 98


class Training:
    """`result` once."""

    def __init__(self, ctx: Context, plan: Plan, data: str) -> None:
        self._ctx = ctx
        self._plan = plan
        self._data = data
        self._limits = Limits.of("train")
        self._checkpoint = Checkpoint(ctx)
        self._course = Course()
        self._first = 0
        self._began = time.monotonic()

    def result(self) -> dict[str, Any]:
        """The job's result. Raises Failed for data that nothing can be learnt from."""
        learnt = self._read()
        booster = self._grow(learnt)
        kept = self._course.best_round if self._plan.early_stopping_rounds else self._course.rounds
        self._ctx.progress(GROWN_PERCENT, "storing")
        self._save(learnt, booster, kept)
        return {
            "rounds": self._course.rounds,
            "best_round": self._course.best_round,
            "metrics": self._course.at(kept),
            "features": len(learnt.features),
        }

    def _read(self) -> Table:
        self._ctx.progress(0, "reading the data")
        path = self._ctx.open_input(self._data).resolve()
        learnt = table.read(path, self._plan, self._limits, self._ctx.scratch, self._tell_reading)
        rows = f"{len(learnt.wanted)} rows, {len(learnt.features)} features"
        self._ctx.log(f"{rows}, {len(learnt.categorical)} of them words")
        if learnt.left_out:
            self._ctx.log(f"left out: {', '.join(learnt.left_out)}", "warning")
        return learnt

    def _grow(self, learnt: Table) -> "Booster":
        """To the last round; an earlier attempt's checkpoint is where it begins."""
        forest = Forest(learnt, self._plan, self._limits.cores)
        model = None
        if found := self._checkpoint.find():
            model, self._course = found
            self._first = boosting.rounds_of(model)
            self._course.cut(self._first)
            self._ctx.log(f"going on from the checkpoint at round {self._first}")
        self._began = time.monotonic()
        left = self._plan.rounds - self._first
        if model and (left <= 0 or self._course.is_over(self._plan.early_stopping_rounds)):
            return boosting.loaded(model)
        return forest.grow(left, model, self._after_round)

    def _tell_reading(self, percent: float, left: float | None) -> None:
        self._ctx.progress(percent * READ_PERCENT / 100, "reading the data", left)

    def _after_round(self, booster: "Booster", measured: list[Measured]) -> bool:
        """Whether to go on."""
        for name, value, higher in measured:
            self._course.add(name, value, higher)
        done, rounds = self._course.rounds, self._plan.rounds
        if is_told(done, rounds):
            for name, value, _ in measured:
                self._ctx.emit("metric", {"name": name, "step": done, "value": value})
        each = (time.monotonic() - self._began) / (done - self._first)
        percent = READ_PERCENT + (GROWN_PERCENT - READ_PERCENT) * done / rounds
        self._ctx.progress(percent, f"round {done} of {rounds}", each * (rounds - done))
        over = done == rounds or self._course.is_over(self._plan.early_stopping_rounds)
        if not over and self._checkpoint.due:
            self._checkpoint.save(booster.model_to_string(num_iteration=-1), self._course)
        return not over

    def _save(self, learnt: Table, booster: "Booster", kept: int) -> None:
        self._checkpoint.save(booster.model_to_string(num_iteration=kept), self._course)
        gains = booster.feature_importance("gain", iteration=kept).tolist()
        features = [
            {"name": feature.name, "model_name": name, "gain": gain}
            | ({"categories": feature.categories} if feature.categories else {})
            for feature, name, gain in zip(learnt.features, booster.feature_name(), gains, strict=True)
        ]
        told = {"target": self._plan.target, "classes": learnt.target.categories, "features": features}
        self._ctx.save("features.json", to_json(told), "application/json")
        named = [(feature.name, gain) for feature, gain in zip(learnt.features, gains, strict=True)]
        page = lesson(self._plan.target, self._plan.objective, self._course, kept, named)
        self._ctx.save("report.html", page.encode(), "text/html; charset=utf-8")
