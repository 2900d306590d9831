"""What a training is to learn, and how: the params of `train` but for the data."""

from dataclasses import dataclass
from typing import Any, Final

from workers import Failed

CLASSIFYING: Final = ("binary", "multiclass")


@dataclass(frozen=True, slots=True)
class Plan:
    """Raises Failed for params that do not go together."""

    target: str
    objective: str
    rounds: int
    validation_share: float
    early_stopping_rounds: int | None
    parameters: dict[str, Any]

    def __post_init__(self) -> None:
        if self.early_stopping_rounds and not self.validation_share:
            raise Failed("early_stopping_rounds needs a validation_share to judge by.", code="rejected")

    @property
    def learns_classes(self) -> bool:
        """Rather than numbers."""
        return self.objective in CLASSIFYING
