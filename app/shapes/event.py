"""The events of a job's log, one shape for each type. Their data is made by the store's scripts and by workers."""

from typing import Annotated, Any, Literal, NotRequired, TypeAlias

from pydantic import Field, Json
from typing_extensions import TypeAliasType, TypedDict

from app.events import CUSTOM_NAME, RESERVED
from app.shapes.job import ArtifactObject, ErrorObject, JobObject, Progress
from app.shapes.shape import JobId, Link, Moment, Seq, shape


@shape
class PendingData(TypedDict):
    """It waits for a worker."""

    reason: Literal["submitted", "retry", "worker_lost", "interrupted", "callback"]
    retry_at: NotRequired[Moment]
    error: NotRequired[ErrorObject]
    """Why the last attempt failed."""
    by: NotRequired[str]
    """Who had it run again after its end."""


@shape
class ProcessingData(TypedDict):
    """A worker has begun an attempt."""

    attempt: Annotated[int, Field(ge=1)]
    worker: str


@shape
class LogData(TypedDict):
    """A line of the handler's log."""

    level: str
    line: str


WaitingData = TypedDict("WaitingData", {"for": str, "deadline": Moment})
"""An outside system is to answer until then. (In a class, `for` could not be a name.)"""
shape(WaitingData)


@shape
class PositionData(TypedDict):
    """How the job stands in its queue, where that has changed enough."""

    position: Annotated[int, Field(ge=0)]
    """Jobs ahead; 0 is next."""
    eta_seconds: NotRequired[float]


@shape
class SuspendedData(TypedDict):
    """The job is held back, at the longest until then."""

    by: str
    until: Moment


@shape
class ResumedData(TypedDict):
    """It may be started again."""

    by: str


@shape
class CancelRequestedData(TypedDict):
    """The job is to stop, and has not yet."""

    by: str
    reason: NotRequired[str]


@shape
class CompletedData(TypedDict):
    """`result` where it is small; `result_url` always leads to it."""

    result: NotRequired[Any]
    result_url: NotRequired[Link]


@shape
class FailedData(TypedDict):
    """There is no attempt left, or none would help."""

    error: ErrorObject


@shape
class CancelledData(TypedDict):
    """It has stopped."""

    by: str
    stage: Literal["pending", "processing", "waiting", "worker_lost"]


class Told(TypedDict):
    """What all events have."""

    job_id: JobId
    seq: Seq
    at: Moment


@shape
class PendingEvent(Told):
    type: Literal["pending"]
    data: PendingData


@shape
class ProcessingEvent(Told):
    type: Literal["processing"]
    data: ProcessingData


@shape
class ProgressEvent(Told):
    """How far the run is."""

    type: Literal["progress"]
    data: Progress


@shape
class LogEvent(Told):
    type: Literal["log"]
    data: LogData


@shape
class ArtifactEvent(Told):
    """A file was saved."""

    type: Literal["artifact"]
    data: ArtifactObject


@shape
class WaitingEvent(Told):
    """An outside system is to answer until then."""

    type: Literal["waiting"]
    data: WaitingData


@shape
class PositionEvent(Told):
    type: Literal["position"]
    data: PositionData


@shape
class SuspendedEvent(Told):
    type: Literal["suspended"]
    data: SuspendedData


@shape
class ResumedEvent(Told):
    type: Literal["resumed"]
    data: ResumedData


@shape
class CancelRequestedEvent(Told):
    type: Literal["cancel_requested"]
    data: CancelRequestedData


@shape
class CompletedEvent(Told):
    """The end."""

    type: Literal["completed"]
    data: CompletedData


@shape
class FailedEvent(Told):
    """The end."""

    type: Literal["failed"]
    data: FailedData


@shape
class CancelledEvent(Told):
    """The end."""

    type: Literal["cancelled"]
    data: CancelledData


@shape
class CustomEvent(Told):
    """Whatever the handler emits, under a name of its own."""

    type: Annotated[str, Field(pattern=CUSTOM_NAME, json_schema_extra={"not": {"enum": sorted(RESERVED)}})]
    data: dict[str, Any]


@shape
class Snapshot(Told):
    """No event of the log: it stands for all up to its seq."""

    type: Literal["snapshot"]
    data: JobObject
    reset: NotRequired[Literal[True]]
    """The log no longer reached back to where the client was."""


LogEntry: TypeAlias = (
    PendingEvent
    | ProcessingEvent
    | ProgressEvent
    | LogEvent
    | ArtifactEvent
    | WaitingEvent
    | PositionEvent
    | SuspendedEvent
    | ResumedEvent
    | CancelRequestedEvent
    | CompletedEvent
    | FailedEvent
    | CancelledEvent
    | CustomEvent
)

Event = TypeAliasType("Event", Annotated[LogEntry, Field(description="One entry of a job's log.")])

StreamEvent = TypeAliasType(
    "StreamEvent", Annotated[LogEntry | Snapshot, Field(description="What happens to a job, or where it stands.")]
)


@shape
class JobLog(TypedDict):
    """What is kept of a job's log."""

    job_id: JobId
    events: list[Event]
    seq: Seq


@shape
class SseBlock(TypedDict):
    """One block of a stream (WHATWG HTML 9.2), parsed. The first one is `retry` alone."""

    event: NotRequired[str]
    """The event's type."""
    id: NotRequired[Annotated[str, Field(pattern="^[0-9]+$")]]
    """The event's seq: what a reconnect sends as `Last-Event-ID`."""
    data: NotRequired[Json[StreamEvent]]
    """The event object on one line."""
    retry: NotRequired[Annotated[int, Field(ge=0)]]
    """Milliseconds to wait before a reconnect."""
