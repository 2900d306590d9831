"""The job object, as `app.jobs.Job.shown` makes it."""

from typing import Annotated, Any, Final, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from app.failures import FAILURES
from app.jobs import Status
from app.shapes.shape import JobId, Link, Moment, Seq, shape

CODES: Final = ", ".join(f"`{failure.code}`" for failure in FAILURES)


@shape
class Progress(TypedDict):
    """How far a run is."""

    percent: Annotated[float, Field(ge=0, le=100)]
    message: NotRequired[str]
    """What the handler is doing."""
    eta_seconds: NotRequired[float]
    """What the handler says of the time left."""
    data: NotRequired[Any]
    """Whatever else the handler tells."""


@shape
class ErrorObject(TypedDict):
    """Why a job failed, or an attempt of it."""

    code: Annotated[str, Field(description=f"Stable: {CODES}, or the handler's own.")]
    message: str
    type: NotRequired[str]
    """The exception's class."""


@shape
class ArtifactObject(TypedDict):
    """A file the job has saved."""

    name: str
    size: Annotated[int, Field(ge=0)]
    """Bytes."""
    content_type: str
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    url: Link


@shape
class Links(TypedDict):
    """Where to go from a job."""

    self: Link
    events: Link
    websocket: Link
    cancel: Link
    result: Link


@shape
class JobObject(TypedDict):
    """A job as it stands. What is not yet, or not at all, is null."""

    job_id: JobId
    kind: str
    status: Status
    owner: str
    queue: str
    priority: int
    tags: list[str]
    metadata: dict[str, str | int | float | bool | None]
    batch_id: str | None
    progress: Progress | None
    """The latest."""
    attempt: Annotated[int, Field(ge=0)]
    """Runs begun so far."""
    max_attempts: Annotated[int, Field(ge=1)]
    position: Annotated[int, Field(ge=0)] | None
    """How many jobs are ahead, while it is pending: 0 is next."""
    eta_seconds: float | None
    """The time left, as half of its kind's runs took, or as the handler says."""
    eta_p90_seconds: float | None
    """The same, as nine tenths of the runs took."""
    seq: Seq
    """The number of its latest event; its entity tag too."""
    created_at: Moment
    started_at: Moment | None
    finished_at: Moment | None
    updated_at: Moment
    expires_at: Moment | None
    """Until when the result and the files are kept."""
    retry_at: Moment | None
    """When it is due, where that is not at once."""
    cancel_requested_at: Moment | None
    suspended_at: Moment | None
    """Since when it is held back."""
    waiting_for: str | None
    """`callback` while an outside system is to answer."""
    result: Any
    """What the handler returned, where it is small; `result_url` always has it."""
    result_url: Link | None
    """Null until the job has completed, and from `expires_at` on."""
    artifacts: list[ArtifactObject]
    error: ErrorObject | None
    links: Links


@shape
class JobPage(TypedDict):
    """Jobs of a list, newest first."""

    jobs: list[JobObject]
    next_cursor: str | None
    """For the page after this one; null on the last."""
