"""A job: its statuses, the one table of what may follow what, and the object shown to the outside.

Used everywhere, knows nothing of Redis or HTTP. The store renders `SUCCESSORS` into its Lua scripts, so this table
is the law there too.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import ceil
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self, cast
from urllib.parse import quote

from pydantic_core import from_json

from app.clock import rfc3339, rfc3339_or_none

if TYPE_CHECKING:
    from app.shapes.job import ArtifactObject, ErrorObject, JobObject, Progress

FIRST_POLL_MS: Final = 3_000
"""When to look at a job that has just been accepted."""


class Status(StrEnum):
    """Where a job stands."""

    PENDING = "pending"
    #: Waits in its queue, for the first time or for the next attempt. A worker's claim moves it to processing;
    #: a cancel ends it at once.
    PROCESSING = "processing"
    #: A worker holds its lease, or (`waiting_for`) an outside system is to call back. The worker that holds the run
    #: token ends it or sends it back to pending; an expired lease does so for a worker that died.
    COMPLETED = "completed"
    #: The handler returned. Nothing follows.
    FAILED = "failed"
    #: Out of attempts, out of time or refused; `error` says why. Nothing follows.
    CANCELLED = "cancelled"
    #: Stopped on request, and really gone. Nothing follows.


SUCCESSORS: Final[Mapping[Status, frozenset[Status]]] = MappingProxyType(
    {
        Status.PENDING: frozenset({Status.PROCESSING, Status.CANCELLED, Status.FAILED}),
        Status.PROCESSING: frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED, Status.PENDING}),
        Status.COMPLETED: frozenset(),
        Status.FAILED: frozenset(),
        Status.CANCELLED: frozenset(),
    }
)

STATUSES: Final = frozenset(map(str, Status))

PENDING, COMPLETED = Status.PENDING, Status.COMPLETED  # before Python 3.12 to name a member costs a call

TERMINAL: Final = frozenset(status for status, successors in SUCCESSORS.items() if not successors)


_NAME: Final = re.compile(r"[a-z][a-z0-9_.-]{0,63}")

_BASE32: Final = b"abcdefghijklmnopqrstuvwxyz234567" * 8
"""A character for each value of a byte."""


EVERYBODY: Final = "*"
"""In place of an owner: all of them. It can be no owner's name."""


def new_job_id() -> str:
    """26 characters of lower-case base32, 130 random bits: not to be guessed, safe in URLs and on command lines."""
    return os.urandom(26).translate(_BASE32).decode()


def is_queue_name(text: str) -> bool:
    """Whether a queue, or a kind, can be called so; no name contains what separates names in keys."""
    return _NAME.fullmatch(text) is not None


def is_job_id(text: str) -> bool:
    """Whether text can be a job id at all; what cannot is never looked up."""
    return len(text) == 26 and text.isascii() and text.isalnum() and text.lower() == text


SEQ_DIGITS: Final = 15
"""More than any log has, and exact as a number in Redis's scripts and in browsers."""


def parse_seq(text: str) -> int | None:
    """A seq, or None for what is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= SEQ_DIGITS else None


@dataclass(slots=True)  # not frozen, which would make it three times as dear
class Submission:
    """What is written when a job is accepted. Times are milliseconds, `params` and `metadata` JSON objects as text.

    It is due after `delay_ms`, or at `run_at_ms` (since 1970) where that is set. `start_within_ms` counts from then; 0
    lets it wait for ever. `callback_events` are those of which `callback_url` is told, if there is one.
    """

    kind: str
    params: str
    owner: str
    queue: str
    max_attempts: int
    timeout_ms: int
    result_ttl_ms: int
    tags: tuple[str, ...] = ()
    metadata: str = ""
    priority: int = 0
    delay_ms: int = 0
    run_at_ms: int = 0
    start_within_ms: int = 0
    idempotency_key: str = ""
    fingerprint: str = ""
    callback_url: str = ""
    callback_events: tuple[str, ...] = ()
    job_id: str = field(default_factory=new_job_id)


class Outlook(NamedTuple):
    """Jobs ahead of one that waits, and milliseconds to its end: as half and as nine tenths of its kind's runs took."""

    position: int | None = None
    eta_ms: int | None = None
    eta_p90_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Artifact:
    """A stored file of a job. `size` is bytes, `sha256` lower-case hex, `key` where the file store has it."""

    name: str
    size: int
    content_type: str
    sha256: str
    key: str
    main: bool = False

    def shown(self, job_url: str) -> "ArtifactObject":
        """The entry of the job object's `artifacts`."""
        return {
            "name": self.name,
            "size": self.size,
            "content_type": self.content_type,
            "sha256": self.sha256,
            "url": f"{job_url}/artifacts/{quote(self.name, safe='')}",
        }


@dataclass(slots=True)  # not frozen, as above
class Job:
    """A job as the store had it at `as_of`. Times are milliseconds since 1970; None is "not yet" or "not at all"."""

    job_id: str
    kind: str
    status: Status
    owner: str
    queue: str
    seq: int
    attempt: int
    max_attempts: int
    created_at: int
    updated_at: int
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, Any] | None = None
    priority: int = 0
    batch_id: str | None = None
    started_at: int | None = None
    finished_at: int | None = None
    expires_at: int | None = None
    retry_at: int | None = None
    cancel_requested_at: int | None = None
    suspended_at: int | None = None
    waiting_for: str | None = None
    trimmed_seq: int = 0
    position: int | None = None
    eta_ms: int | None = field(default=None, compare=False)
    eta_p90_ms: int | None = field(default=None, compare=False)
    poll_ms: int = field(default=FIRST_POLL_MS, compare=False)
    progress: Mapping[str, Any] | None = None
    result: Any = None
    error: Mapping[str, Any] | None = None
    artifacts: tuple[Artifact, ...] = ()
    as_of: int = field(default=0, compare=False)

    @classmethod
    def submitted(cls, submission: Submission, created_at: int, outlook: Outlook) -> Self:
        """The job at its first event, as the store has just written it."""
        due = submission.run_at_ms or created_at + submission.delay_ms
        return cls(
            job_id=submission.job_id,
            kind=submission.kind,
            status=PENDING,
            owner=submission.owner,
            queue=submission.queue,
            seq=1,
            attempt=0,
            max_attempts=submission.max_attempts,
            created_at=created_at,
            updated_at=created_at,
            tags=submission.tags,
            metadata=from_json(submission.metadata) if submission.metadata else None,
            priority=submission.priority,
            retry_at=due if due > created_at else None,
            position=outlook.position,
            eta_ms=outlook.eta_ms,
            eta_p90_ms=outlook.eta_p90_ms,
            as_of=created_at,
        )

    @property
    def ended(self) -> bool:
        """Whether the job has reached its end."""
        return self.status in TERMINAL

    @property
    def expired(self) -> bool:
        """Whether its result and its files are no longer to be given out."""
        return self.expires_at is not None and self.expires_at <= self.as_of

    @property
    def main_artifact(self) -> Artifact | None:
        """The artifact `result_url` leads to: the one saved as main, else the first saved."""
        return next((a for a in self.artifacts if a.main), next(iter(self.artifacts), None))

    @property
    def eta_seconds(self) -> float | None:
        """The time left, if that can be told."""
        return _seconds(self.eta_ms)

    def retry_after(self) -> int:
        """Seconds until asking again is worth it (`app/store/lua/parts/view.lua`)."""
        return ceil(self.poll_ms / 1000)

    def shown(self, base_url: str = "") -> "JobObject":
        """The job object of every transport. Links are path-absolute, or absolute where `base_url` is set."""
        url = job_url(self.job_id, base_url)
        kept = self.status is COMPLETED and not self.expired
        return {
            "job_id": self.job_id,
            "kind": self.kind,
            "status": cast(Status, str(self.status)),  # an enum's value is asked for in Python when JSON is made
            "owner": self.owner,
            "queue": self.queue,
            "priority": self.priority,
            "tags": list(self.tags),
            "metadata": dict(self.metadata or {}),
            "batch_id": self.batch_id,
            "progress": cast("Progress | None", self.progress),
            "attempt": self.attempt,
            "max_attempts": self.max_attempts,
            "position": self.position,
            "eta_seconds": self.eta_seconds,
            "eta_p90_seconds": _seconds(self.eta_p90_ms),
            "seq": self.seq,
            "created_at": rfc3339(self.created_at),
            "started_at": rfc3339_or_none(self.started_at),
            "finished_at": rfc3339_or_none(self.finished_at),
            "updated_at": rfc3339(self.updated_at),
            "expires_at": rfc3339_or_none(self.expires_at),
            "retry_at": rfc3339_or_none(self.retry_at),
            "cancel_requested_at": rfc3339_or_none(self.cancel_requested_at),
            "suspended_at": rfc3339_or_none(self.suspended_at),
            "waiting_for": self.waiting_for,
            "result": self.result,
            "result_url": f"{url}/result" if kept else None,
            "artifacts": [artifact.shown(url) for artifact in self.artifacts],
            "error": cast("ErrorObject | None", self.error),
            "links": {
                "self": url,
                "events": f"{url}/events",
                "websocket": f"{url}/ws",
                "cancel": f"{url}/cancel",
                "result": f"{url}/result",
            },
        }


def _seconds(ms: int | None) -> float | None:
    return None if ms is None else round(ms / 1000, 1)


def job_url(job_id: str, base_url: str = "") -> str:
    """Where a job is found."""
    return f"{base_url}/api/jobs/{job_id}"
