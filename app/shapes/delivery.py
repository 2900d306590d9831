"""The objects of webhooks: a delivery and its attempts, the secrets that sign them, and what a webhook says."""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from app.shapes.batch import BatchObject
from app.shapes.job import JobObject
from app.shapes.shape import Moment, shape


@shape
class AttemptObject(TypedDict):
    """One request, or one that could not be made."""

    attempt: Annotated[int, Field(ge=1)]
    started_at: Moment
    duration_ms: Annotated[int, Field(ge=0)]
    http_status: NotRequired[int]
    """What was answered, if anything."""
    error: NotRequired[str]
    """Why it did not count as delivered."""
    response_excerpt: NotRequired[str]
    """How the answer began."""


@shape
class DeliveryObject(TypedDict):
    """One webhook of one event, with its latest attempt."""

    n: Annotated[int, Field(ge=1)]
    """Its number within the job."""
    event: str
    """The event's type."""
    webhook_id: str
    """The same on every attempt: the job's id and the event's seq."""
    url: str
    status: Literal["pending", "sending", "retrying", "delivered", "failed", "gone", "superseded"]
    """`failed`: no attempt is left. `gone`: the receiver wants no more. `superseded`: a later progress, or the end, is
    told instead."""
    attempt: Annotated[int, Field(ge=0)]
    """Attempts so far, since it was queued or sent again by hand."""
    started_at: NotRequired[Moment]
    duration_ms: NotRequired[Annotated[int, Field(ge=0)]]
    http_status: NotRequired[int]
    error: NotRequired[str]
    response_excerpt: NotRequired[str]
    next_at: NotRequired[Moment]
    """When it is due next, unless its receiver is left alone for a while."""
    attempts: list[AttemptObject]
    """The latest twenty, in order."""


@shape
class DeliveryPage(TypedDict):
    """Webhooks of a job or a batch, latest first."""

    deliveries: list[DeliveryObject]
    next_cursor: str | None
    """For the page after this one; null on the last."""


@shape
class Redelivered(TypedDict):
    """What is sent again."""

    redelivered: Annotated[int, Field(ge=0)]
    more: bool
    """Whether there are more; ask again."""


@shape
class SecretObject(TypedDict):
    """What signs an owner's webhooks."""

    secret_id: str
    created_at: Moment
    secret: NotRequired[str]
    """`whsec_…`: in the answer that creates it, and always of the one that was made because there was none."""


@shape
class SecretList(TypedDict):
    """Latest first; all of them sign. Without any of its own, an owner's webhooks are signed with the operator's."""

    secrets: list[SecretObject]


@shape
class JobTold(JobObject):
    """The job as the event has left it."""

    event: NotRequired[dict[str, Any]]
    """The event, where the job does not tell it all: lines of the log, artifacts, and a handler's own."""


@shape
class JobWebhook(TypedDict):
    """An event of a job."""

    type: Annotated[str, Field(pattern=r"^job\.[a-z][a-z0-9_.]*$", examples=["job.completed"])]
    timestamp: Moment
    data: JobTold


@shape
class BatchWebhook(TypedDict):
    """All jobs of a batch have ended."""

    type: Literal["batch.completed"]
    timestamp: Moment
    data: BatchObject
