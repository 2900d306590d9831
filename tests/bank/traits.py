"""How the bank misbehaves. A test sets these over HTTP; each deed is noted in the ledger, so that a test can tell that
there was one."""

from collections.abc import Callable
from random import Random
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

Chance = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0, le=3600)]


class Traits(BaseModel):
    """Without any it is prompt and honest."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    declines: Chance = 0
    """A charge fails in the end."""
    refuses: Chance = 0
    """429 or 5xx, and nothing is done."""
    stumbles: Chance = 0
    """500 although it is done."""
    stalls: Chance = 0
    """No answer although it is done."""
    forgets: Chance = 0
    """There is no callback."""
    duplicates: Chance = 0
    """It calls back twice."""
    reorders: Chance = 0
    """That a charge is pending is told after its end."""
    lies: Chance = 0
    """It calls back with what is not so, sooner or later than with the truth."""
    answer_seconds: Seconds = 0
    """At most, for each answer."""
    settle_seconds: Seconds = 0
    """Until a charge has succeeded or failed, or half of that; what is told of it takes up to as long again."""


WILD: Final = Traits(
    declines=0.15,
    refuses=0.06,
    stumbles=0.06,
    stalls=0.01,
    forgets=0.2,
    duplicates=0.2,
    reorders=0.2,
    lies=0.2,
    answer_seconds=0.2,
    settle_seconds=3,
)


class Temper:
    """Throws the dice for the traits. With the same seed they fall the same."""

    def __init__(self, traits: Traits, seed: str, note: Callable[[str], None]) -> None:
        self.traits = traits
        self._seed = seed
        self._note = note
        self.random = Random(seed)

    def about(self, word: str) -> "Temper":
        """With dice of its own, which fall the same for the same word whatever happened before."""
        return Temper(self.traits, f"{self._seed} {word}", self._note)

    def does(self, trait: str) -> bool:
        """Whether it does so this time; noted if so."""
        happens = self.would(trait)
        if happens:
            self._note(trait)
        return happens

    def would(self, trait: str) -> bool:
        """The same without a note."""
        return bool(self.random.random() < getattr(self.traits, trait))

    def some(self, seconds: float) -> float:
        """Any time from none to that."""
        return self.random.uniform(0, seconds)
