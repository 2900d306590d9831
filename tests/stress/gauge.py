"""A figure that is read every few seconds of a soak, and is to stay flat. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final

BARS: Final = "▁▂▃▄▅▆▇█"
WIDTH: Final = 40


@dataclass(frozen=True, slots=True)
class Bound:
    """How far the last third's median may lie above the middle third's: a share of it or so much, what is more.

    The first third is the warm-up: pools and caches fill, and what is kept for a while begins to expire. Medians, so
    that neither a moment's peak nor the moment when somebody happened to look decides.
    """

    share: float
    least: float


@dataclass(slots=True)
class Gauge:
    """One figure's course."""

    name: str
    bound: Bound
    readings: list[float] = field(default_factory=list)

    @property
    def thirds(self) -> tuple[float, float]:
        """The medians of the middle and of the last third."""
        third = max(1, len(self.readings) // 3)
        return median(self.readings[third : 2 * third] or self.readings), median(self.readings[-third:])

    @property
    def problem(self) -> str | None:
        """None while it is flat."""
        before, after = self.thirds
        most = max(self.bound.least, self.bound.share * before)
        return f"{self} grew by {after - before:.6g}, {most:.6g} at most" if after - before > most else None

    def __str__(self) -> str:
        before, after = self.thirds
        return f"{self.name:18} {spark(self.readings)} {min(self.readings):9.6g} {before:9.6g} {after:9.6g}"


def spark(readings: Sequence[float]) -> str:
    """Their course in one line."""
    step = max(1.0, len(readings) / WIDTH)
    shown = [readings[int(n * step)] for n in range(min(WIDTH, len(readings)))]
    low, high = min(shown), max(shown)
    span = high - low or 1.0
    return "".join(BARS[round((reading - low) / span * (len(BARS) - 1))] for reading in shown)
