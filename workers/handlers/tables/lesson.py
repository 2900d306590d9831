"""The page beside a model: how it was learnt, how well, and by what."""

from collections.abc import Sequence
from typing import Final

from workers.handlers.tables.charts import Line, bars, curves, number
from workers.handlers.tables.course import Course
from workers.handlers.tables.page import page, paragraph, table

MOST_FEATURES: Final = 20
MOST_POINTS: Final = 1_000


def lesson(target: str, objective: str, course: Course, kept: int, gains: Sequence[tuple[str, float]]) -> str:
    """An HTML page. `kept` is the round the model ends with, `gains` say how much each feature helped."""
    best = f"the best by {course.judged} is {course.best_round}"
    told = f"{objective}, {course.rounds} rounds, {best}; the model has {kept}."
    rows = [(name, number(value)) for name, value in course.at(kept).items()]
    measured = table([("metric", ""), ("value", f"round {kept}")], rows, [False, True])
    most = sorted(gains, key=lambda pair: -pair[1])[:MOST_FEATURES]
    return page(f"Learning {target}", paragraph(told), _curves(course), measured, bars("What helped, by gain", most))


def _curves(course: Course) -> str:
    """Training and validation of the metric that judges."""
    metric = course.judged.partition(".")[2]
    step = 1 + course.rounds // MOST_POINTS
    lines = [
        Line(name, [(n, value) for n, value in enumerate(values, start=1)][::step])
        for name, values in course.curves.items()
        if name.partition(".")[2] == metric
    ]
    return curves(metric, lines, ("round 1", f"round {course.rounds}"), mark=course.best_round)
