"""What a worker runs, how much of it at once, and for whom first."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, NonNegativeInt, PositiveFloat, field_validator
from pydantic_settings import BaseSettings, NoDecode

from app.jobs import is_queue_name
from app.limits import Shares
from app.settings.written import Words, pairs

Weight = Annotated[float, Field(ge=0.01, le=100)]
"""More would make one owner's next turn so late or so soon that others' no longer count."""

Weights = Annotated[dict[str, Weight], NoDecode, BeforeValidator(pairs(str.rpartition))]


class Work(BaseSettings):
    """Workers"""

    handlers: Words = Field((), description="Modules with a deployment's own handlers; comma-separated.")
    handler_variables: Words = Field(
        (),
        description="What handlers in a process of their own get of a worker's environment beside the usual variables; "
        "comma-separated names, as HF_TOKEN,SHOP_*.",
    )
    queues: Words = Field(
        ("default",), min_length=1, description="Queues a worker serves, most urgent first; comma-separated."
    )
    concurrency: NonNegativeInt = Field(
        10, description="Jobs a worker runs at once; 0: none, for one that only sends webhooks."
    )
    spare_process_seconds: float = Field(
        60, ge=0, description="How long the next process of a process kind that was run is kept ready; 0: not at all."
    )
    lease_seconds: PositiveFloat = Field(10, ge=0.5, description="A silent worker loses its jobs after this long.")
    shutdown_grace_seconds: float = Field(10, ge=0, description="How long SIGTERM lets jobs and streams finish.")
    owner_weights: Weights = Field(
        {}, description="Shares of owners whose jobs wait in one queue, as owner=3,other=1; 1 for who is not named."
    )
    max_running_per_owner: NonNegativeInt = Field(0, description="Runs of one owner at once in a queue; 0: any number.")
    starts_per_minute_per_owner: NonNegativeInt = Field(
        0, description="Runs of one owner that may begin in a queue each minute; 0 for any number."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Log lines below this are dropped."
    )

    @field_validator("queues")
    @classmethod
    def _check_queues(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for queue in value:
            if not is_queue_name(queue):
                raise ValueError(f"not a queue: {queue!r}")
        return value

    @property
    def shares(self) -> Shares:
        """How workers share their slots among owners."""
        weights = tuple(self.owner_weights.items())
        return Shares(weights, self.max_running_per_owner, self.starts_per_minute_per_owner)
