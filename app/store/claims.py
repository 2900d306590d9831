"""What a worker gets for its claims and heartbeats. Read off the scripts' replies by `jobs.py`."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from app.callbacks import Answer
from app.events import json_text
from app.limits import Shares


@dataclass(frozen=True, slots=True)
class Run:
    """A claimed job: what a worker needs to run it. `params` is a JSON object as text.

    `wait` is the number of the wait its handler may begin, or is in where the run only `looks` for an answer; `answer`
    that of the wait before.
    """

    job_id: str
    token: str
    kind: str
    owner: str
    attempt: int
    max_attempts: int
    timeout_ms: int
    params: str
    wait: int = 0
    looks: bool = False
    answer: Answer | None = None

    @property
    def number(self) -> int:
        """The seq at which it began: of the runs of a job no two have the same, but for those that only look."""
        return int(self.token.rpartition(".")[2])

    @classmethod
    def of(cls, reply: Sequence[Any]) -> Self:
        """One run as the script tells it."""
        job_id, token, kind, owner, attempt, max_attempts, timeout_ms, params, wait, looks, *answer = reply
        return cls(
            job_id.decode(),
            token.decode(),
            kind.decode(),
            owner.decode(errors="replace"),
            attempt,
            max_attempts,
            timeout_ms,
            params.decode(errors="replace"),  # else one that has gone bad would cost the others of its claim an attempt
            wait,
            bool(looks),
            Answer.of(*answer) if answer and answer[1] is not None else None,
        )


@dataclass(frozen=True, slots=True)
class Claims:
    """Runs claimed, and the milliseconds until something else is due (None: nothing waits)."""

    runs: tuple[Run, ...]
    next_due_ms: int | None


@dataclass(frozen=True, slots=True)
class Renewal:
    """Runs that are no longer the worker's, and runs whose cancel was requested."""

    lost: frozenset[str]
    cancelled: frozenset[str]


def terms(kinds: Collection[str], shares: Shares) -> str:
    """What a claim is made on, as JSON: each kind with the most runs of it at once, where that is limited."""
    limits = kinds if isinstance(kinds, Mapping) else dict.fromkeys(kinds, 0)
    return json_text(
        {
            "kinds": limits,
            "weights": dict(shares.weights),
            "most_running": shares.most_running_per_owner,
            "starts_per_minute": shares.starts_per_minute_per_owner,
        }
    )
