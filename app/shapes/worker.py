"""A worker as operators see it, and the clients that ask too often."""

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from app.shapes.shape import JobId, Moment, shape


@shape
class RunObject(TypedDict):
    """A job a worker has in hand."""

    job_id: JobId
    kind: str
    owner: str
    attempt: Annotated[int, Field(ge=1)]
    started_at: Moment
    """When this attempt began."""


@shape
class WorkerObject(TypedDict):
    """A worker that is there."""

    worker: str
    host: str
    started_at: Moment
    last_seen_at: Moment
    """It says so three times a lease; after three leases of silence it is listed no more."""
    concurrency: Annotated[int, Field(ge=0)]
    """Runs it takes at once."""
    running: list[RunObject]
    """The longest first, a hundred at most."""
    running_count: Annotated[int, Field(ge=0)]
    """Of all."""
    kinds: list[str]
    queues: list[str]
    """In the order in which it looks."""


@shape
class WorkerList(TypedDict):
    """All workers, by name."""

    workers: list[WorkerObject]


@shape
class PollerObject(TypedDict):
    """An owner that asked too often for one job or batch."""

    owner: str
    """Who asked."""
    job_id: JobId | None
    batch_id: JobId | None
    refused: Annotated[int, Field(ge=1)]
    """How often it was answered by 429; forgotten an hour after the last."""
    last_at: Moment


@shape
class PollerList(TypedDict):
    """The worst first."""

    pollers: list[PollerObject]
