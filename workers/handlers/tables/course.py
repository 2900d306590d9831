"""How a training went, round by round: what was measured, what the best round was, and when to stop. Pure."""

from dataclasses import dataclass, field
from typing import Final

MOST_TOLD: Final = 1_000
"""Rounds of which events tell; of more, every second, every third …"""


@dataclass(slots=True)
class Course:
    """`curves` are by name, `valid.l2`, one value a round; `judged` names the one that says which round is best."""

    curves: dict[str, list[float]] = field(default_factory=dict)
    judged: str = ""
    higher_is_better: bool = False

    @property
    def rounds(self) -> int:
        """So far."""
        return len(next(iter(self.curves.values()), ()))

    @property
    def best_round(self) -> int:
        """The first of the best; 0 before any."""
        values = self.curves.get(self.judged, [])
        best = max if self.higher_is_better else min
        return 1 + values.index(best(values)) if values else 0

    def add(self, name: str, value: float, higher_is_better: bool) -> None:
        """The next round of one curve. The first of the validation judges, else the first there is."""
        if not self.judged or (name.startswith("valid.") and not self.judged.startswith("valid.")):
            self.judged, self.higher_is_better = name, higher_is_better
        self.curves.setdefault(name, []).append(value)

    def cut(self, rounds: int) -> None:
        """Forget what came later."""
        self.curves = {name: values[:rounds] for name, values in self.curves.items()}

    def is_over(self, patience: int | None) -> bool:
        """Whether so many rounds have brought nothing better."""
        return patience is not None and self.rounds - self.best_round >= patience

    def at(self, round_: int) -> dict[str, float]:
        """What was measured then."""
        return {name: values[round_ - 1] for name, values in self.curves.items()}


def is_told(round_: int, rounds: int) -> bool:
    """Whether this one of so many has events."""
    return round_ % (1 + (rounds - 1) // MOST_TOLD) == 0 or round_ in (1, rounds)
