"""One job of the model in `tests/store_model.py`, and who may change it. It is its log: status, seq and all that has
been are read off it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pydantic_core import from_json

from app.callbacks import Answer
from app.errors import IllegalChange, StaleRun
from app.events import KEPT
from app.jobs import STATUSES, SUCCESSORS, TERMINAL, Artifact, Job, Status, Submission
from app.store import Change


class Entry(NamedTuple):
    """An event of a job's log."""

    seq: int
    type: str
    at: int
    data: dict[str, Any]


@dataclass
class Clocks:
    """Of a wait, or of the last one: when it ends; ms between heartbeats and until when the next has to come; the same
    of looks."""

    until: int = 0
    beat: int = 0
    beat_by: int | None = None
    look: int = 0
    look_at: int | None = None

    @property
    def ends(self) -> int:
        """When it is over, as things stand."""
        return self.until if self.beat_by is None else min(self.until, self.beat_by)

    @property
    def next(self) -> int:
        """When something is to be done."""
        return self.ends if self.look_at is None else min(self.ends, self.look_at)


@dataclass(eq=False)
class ModelJob:
    """While pending it has a `rank` in its lane, or is in line `later`; `deadline` is start-by, lease or wait end;
    `token`, `begun` and `parts` are its run's."""

    of: Submission
    rank: int | None = None
    later: int | None = None
    due: int | None = None
    suspended: int | None = None
    begun: int = 0
    series: int = 0
    deadline: int | None = None
    token: str | None = None
    worker: str = ""
    parts: int = 0
    waiting: str | None = None
    attempt: int = 0
    log: list[Entry] = field(default_factory=list)
    superseded: set[int] = field(default_factory=set)
    trimmed: set[int] = field(default_factory=set)
    artifacts: dict[str, tuple[int, str]] = field(default_factory=dict)
    large_result: str | None = None
    wait: Clocks = field(default_factory=Clocks)
    answers: int = 0
    early: bool = False
    prints: dict[int, str] = field(default_factory=dict)
    bodies: dict[int, Answer] = field(default_factory=dict)

    @property
    def latest_answer(self) -> Answer | None:
        """To the wait before."""
        return self.bodies.get(self.answers - 1)

    def tell(self, type: str, at: int, data: dict[str, Any]) -> Entry:
        """One more event. Of progress only the latest is kept."""
        if type == "progress" and (earlier := self.last("progress")):
            self.superseded.add(earlier.seq)
        self.log.append(Entry(len(self.log) + 1, type, at, data))
        return self.log[-1]

    def trim(self, most: int) -> None:
        """Oldest first; of lifecycle only where nothing else is left, then a quarter at once."""
        trimmable = [entry.seq for entry in self.retained if entry.type not in KEPT]
        self.trimmed |= set(trimmable[: max(0, len(self.retained) - most)])
        if len(self.retained) > most:
            self.trimmed |= {entry.seq for entry in self.retained[: most // 4 - most]}

    @property
    def retained(self) -> list[Entry]:
        return [entry for entry in self.log if entry.seq not in self.superseded | self.trimmed]

    def first(self, type: str) -> Entry | None:
        """Of the present series of attempts."""
        return next((entry for entry in self.log[self.series :] if entry.type == type), None)

    def last(self, *types: str) -> Entry | None:
        return next((entry for entry in reversed(self.log) if entry.type in types), None)

    @property
    def status(self) -> Status:
        told = self.last(*STATUSES)
        assert told
        return Status(told.type)

    @property
    def ended(self) -> bool:
        return self.status in TERMINAL

    @property
    def cancel(self) -> Entry | None:
        """That it was asked to stop."""
        return self.first("cancel_requested")

    @property
    def expires_at(self) -> int | None:
        return self.log[-1].at + self.of.result_ttl_ms if self.ended else None

    @property
    def retry_at(self) -> int | None:
        """Only where it was told to wait: not what is due at once."""
        return self.due if self.status is Status.PENDING else None

    def shown(self, position: int | None) -> Job:
        """What a reader must be told."""
        of, started, progress = self.of, self.first("processing"), self.last("progress")
        end = self.log[-1].data if self.ended else {}
        return Job(
            job_id=of.job_id,
            kind=of.kind,
            status=self.status,
            owner=of.owner,
            queue=of.queue,
            tags=of.tags,
            priority=of.priority,
            seq=len(self.log),
            attempt=self.attempt,
            max_attempts=of.max_attempts,
            position=position,
            created_at=self.log[0].at,
            updated_at=self.log[-1].at,
            started_at=started and started.at,
            finished_at=self.log[-1].at if self.ended else None,
            expires_at=self.expires_at,
            retry_at=self.retry_at,
            cancel_requested_at=self.cancel and self.cancel.at,
            suspended_at=self.suspended,
            waiting_for=self.waiting,
            trimmed_seq=max(self.trimmed, default=0),
            progress=progress.data if progress and progress.seq not in self.trimmed else None,
            result=from_json(self.large_result) if self.large_result else end.get("result"),
            error=end.get("error"),
            artifacts=tuple(_in_order(self.artifacts.values())),
        )


def _in_order(saved: Iterable[tuple[int, str]]) -> Iterable[Artifact]:
    """By the seq at which they were saved."""
    return (Artifact(**from_json(text)) for _, text in sorted(saved))


def permit(job: ModelJob, change: Change, token: str, *, last: bool, alone: bool) -> None:
    """Who may ask for what: for the end of a job anybody; all else is the worker's that holds it, while one does."""
    mine = job.token is not None and token == job.token
    if change.type == "cancel_requested":
        if not alone:
            raise IllegalChange
    elif token and not mine:
        raise StaleRun
    elif change.type in STATUSES:
        if not last or change.type == Status.PROCESSING or change.type not in SUCCESSORS[job.status]:
            raise IllegalChange
        if job.token and not mine:
            raise StaleRun
    elif not mine or (change.type == "waiting" and not last):
        raise IllegalChange
    if not _feasible(job, change, looks=mine and job.waiting is not None):
        raise IllegalChange


def _feasible(job: ModelJob, change: Change, *, looks: bool) -> bool:
    match change.type:
        case "pending" if change.argument == "surrendered":
            return not job.cancel
        case "pending" | "waiting" if looks:
            return True
        case "pending":
            return change.argument == "interrupted" or change.argument.isdigit()
        case "waiting":
            refused = change.argument == "refused" and job.answers > 0
            return refused or all(span.isdigit() for span in change.argument.split(" "))
        case "artifact":
            return "name" in from_json(change.argument)
        case _:
            return True
