"""The batch object, as `app.batches.Batch.shown` makes it, and the events of a batch."""

from typing import Annotated, Literal, NotRequired

from pydantic import Field, Json
from typing_extensions import TypedDict

from app.shapes.shape import JobId, Link, Moment, Seq, shape

Count = Annotated[int, Field(ge=0)]


@shape
class Counts(TypedDict):
    """How many of its jobs stand where."""

    pending: Count
    processing: Count
    completed: Count
    failed: Count
    cancelled: Count


@shape
class BatchProgress(TypedDict):
    """How far it is."""

    percent: Annotated[float, Field(ge=0, le=100)]
    """The mean of its jobs, ended ones being at 100."""


@shape
class BatchLinks(TypedDict):
    """Where to go from a batch."""

    self: Link
    events: Link
    jobs: Link
    cancel: Link
    retry: Link


@shape
class BatchObject(TypedDict):
    """A batch as it stands. What is not yet, or not at all, is null."""

    batch_id: JobId
    owner: str
    status: Literal["processing", "completed"]
    """Completed when all jobs have ended, whatever they came to."""
    total: Annotated[int, Field(ge=1)]
    counts: Counts
    progress: BatchProgress
    seq: Seq
    created_at: Moment
    updated_at: Moment
    finished_at: Moment | None
    expires_at: Moment | None
    cancel_requested_at: Moment | None
    links: BatchLinks


@shape
class BatchTold(TypedDict):
    """How a batch stands; each event tells all there is to tell."""

    batch_id: JobId
    seq: Seq
    type: Literal["snapshot", "progress", "completed"]
    at: Moment
    data: BatchObject


@shape
class BatchSseBlock(TypedDict):
    """One block of a batch's stream, parsed. The first one is `retry` alone."""

    event: NotRequired[str]
    id: NotRequired[Annotated[str, Field(pattern="^[0-9]+$")]]
    data: NotRequired[Json[BatchTold]]
    """The event object on one line."""
    retry: NotRequired[Annotated[int, Field(ge=0)]]
    """Milliseconds to wait before a reconnect."""
