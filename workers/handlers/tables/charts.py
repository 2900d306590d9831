"""Charts as inline SVG: no script, nothing to load. `page.py` and the report of a training put them into a page."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

Point = tuple[float, float]

WIDTH: Final = 720
BAR: Final = 22
LABELS: Final = 180
VALUES: Final = 90
HEIGHT: Final = 240
MARGIN: Final = 56
LONGEST_LABEL: Final = 26


@dataclass(frozen=True, slots=True)
class Line:
    """One curve: its points by rising x."""

    name: str
    points: Sequence[Point]


def bars(title: str, pairs: Sequence[tuple[str, float]]) -> str:
    """A horizontal bar for each pair of label and value; those below zero go to the left."""
    lowest, highest = _range([0.0, *(value for _, value in pairs)])
    scale = (WIDTH - LABELS - VALUES) / (highest - lowest)
    drawn = []
    for n, (label, value) in enumerate(pairs):
        left = LABELS + (min(value, 0.0) - lowest) * scale
        middle = n * BAR + BAR / 2
        drawn.append(
            f'<text class="label" x="{LABELS - 8}" y="{middle:g}">{_short(label)}</text>'
            f'<rect x="{left:.1f}" y="{n * BAR + 3}" width="{abs(value) * scale:.1f}" height="{BAR - 6}" rx="2"/>'
            f'<text y="{middle:g}" x="{left + abs(value) * scale + 6:.1f}">{number(value)}</text>'
        )
    return _figure(title, BAR * len(pairs), drawn)


def curves(title: str, lines: Sequence[Line], xs: tuple[str, str], mark: float | None = None) -> str:
    """Lines over one another; `xs` says what stands at the left and right end, `mark` is an x of note."""
    points = [point for line in lines for point in line.points]
    left, right = _range([x for x, _ in points])
    low, high = _range([y for _, y in points])

    def across(x: float) -> float:
        return MARGIN + (x - left) / (right - left) * (WIDTH - MARGIN - 8)

    def down(y: float) -> float:
        return 8 + (high - y) / (high - low) * (HEIGHT - 40)

    drawn = [
        f'<path class="grid" d="M{MARGIN} {down(y):.1f}H{WIDTH - 8}"/>'
        f'<text class="label" x="{MARGIN - 8}" y="{down(y):.1f}">{number(y)}</text>'
        for y in (low, (low + high) / 2, high)
    ]
    drawn += [f'<path class="mark" d="M{across(mark):.1f} 8V{HEIGHT - 32}"/>'] if mark is not None else []
    for n, line in enumerate(lines):
        path = "L".join(f"{across(x):.1f} {down(y):.1f}" for x, y in line.points)
        drawn.append(f'<path class="line n{n}" d="M{path}"><title>{escape(line.name)}</title></path>')
        if len(lines) > 1:
            place = f'x="{WIDTH - 8 - 120 * (len(lines) - 1 - n)}" y="16"'
            drawn.append(f'<text class="label n{n}" {place}>{escape(line.name)}</text>')
    drawn.append(f'<text x="{MARGIN}" y="{HEIGHT - 16}">{escape(xs[0])}</text>')
    drawn.append(f'<text class="label" x="{WIDTH - 8}" y="{HEIGHT - 16}">{escape(xs[1])}</text>')
    return _figure(title, HEIGHT, drawn)


def number(value: float) -> str:
    """As people read it: 1234567.8 → 1,234,568, 0.123456 → 0.1235."""
    if abs(value) >= 1e15 or (value and abs(value) < 1e-4):
        return f"{value:.3e}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _range(values: Sequence[float]) -> Point:
    """The lowest and the highest; never the same, so that one may divide by what lies between."""
    low, high = min(values), max(values)
    return (low, high) if math.isfinite(high - low) and high > low else (low - 0.5, low + 0.5)


def _short(label: str) -> str:
    return escape(label if len(label) <= LONGEST_LABEL else f"{label[: LONGEST_LABEL - 1]}…")


def _figure(title: str, height: int, drawn: Sequence[str]) -> str:
    return (
        f"<figure><figcaption>{escape(title)}</figcaption>"
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">{"".join(drawn)}</svg></figure>'
    )
