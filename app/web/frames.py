"""The frames of the multiplexed WebSocket, either way. What a client sends is read by these models; nothing else is.

An unknown member is ignored. `ref` is whatever the session found it to be, and is echoed.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, NotRequired, TypeAlias

from pydantic import BaseModel, ConfigDict, Discriminator, Field, SkipValidation, Tag, TypeAdapter, ValidationError
from pydantic import with_config as configured
from pydantic_core import from_json
from typing_extensions import TypedDict

from app.errors import BadMessage
from app.jobs import SEQ_DIGITS, Status
from app.shapes.shape import JobId, Moment, shape

MOST_REF_CHARACTERS: Final = 128

Ref: TypeAlias = Annotated[str, Field(max_length=MOST_REF_CHARACTERS)] | int | None
Words: TypeAlias = str | list[str]


class Frame(BaseModel):
    """What all frames of a client have."""

    model_config = ConfigDict(strict=True, frozen=True, use_attribute_docstrings=True)

    ref: Annotated[Ref, SkipValidation] = None
    """Echoed in the answer."""


@configured(ConfigDict(extra="allow"))
class FeedFilter(TypedDict):
    """Which jobs of the feed are told; of several members all must fit."""

    # read by `app.web.filters.filter_from`, which has better words for what does not fit

    status: NotRequired[Annotated[Words, SkipValidation]]
    kind: NotRequired[Annotated[Words, SkipValidation]]
    tag: NotRequired[Annotated[Words, SkipValidation]]
    owner: NotRequired[Annotated[str, SkipValidation]]
    """Whose jobs, instead of one's own; `*` for all. Needs the scope `admin`."""


class Subscribe(Frame):
    """Follow a job."""

    op: Literal["subscribe"]
    job_id: str
    after: Annotated[int, Field(ge=0, lt=10**SEQ_DIGITS)] | None = None
    """The seq the client has, 0 for the whole log; without it a snapshot comes first."""


class SubscribeFeed(Frame):
    """Follow all jobs."""

    op: Literal["subscribe"]
    feed: Literal[True]
    filter: FeedFilter = {}


class Unsubscribe(Frame):
    """Follow a job no more."""

    op: Literal["unsubscribe"]
    job_id: str


class UnsubscribeFeed(Frame):
    """Follow the feed no more."""

    op: Literal["unsubscribe"]
    feed: Literal[True]


class Cancel(Frame):
    """Cancel a job."""

    op: Literal["cancel"]
    job_id: str
    reason: Annotated[str | None, SkipValidation] = None


class Auth(Frame):
    """Say who is asking: as the first frame where the handshake did not, or later with a fresh token."""

    op: Literal["auth"]
    token: Annotated[str, Field(min_length=1, max_length=16 << 10)]
    """A key, a JWT or a browser token."""


class Ping(Frame):
    """Ask for a sign of life."""

    op: Literal["ping"]


@shape
class Subscribed(TypedDict):
    """From now on the events come."""

    op: Literal["subscribed"]
    ref: NotRequired[Ref]
    job_id: NotRequired[JobId]
    feed: NotRequired[Literal[True]]


@shape
class Unsubscribed(TypedDict):
    """Nothing more comes."""

    op: Literal["unsubscribed"]
    ref: NotRequired[Ref]
    job_id: NotRequired[str]
    feed: NotRequired[Literal[True]]
    reason: NotRequired[Literal["ended", "forbidden"]]
    """The job has ended, and all of it was told; or the fresh token does not reach it."""


@shape
class Cancelling(TypedDict):
    """The cancel was taken."""

    op: Literal["cancelling"]
    ref: NotRequired[Ref]
    job_id: JobId
    status: Status


@shape
class Authenticated(TypedDict):
    """Who is asking is known."""

    op: Literal["authenticated"]
    ref: NotRequired[Ref]
    expires_at: Moment | None
    """The connection is closed with 4401 then, unless a fresh token came before."""


@shape
class Pong(TypedDict):
    """A sign of life."""

    op: Literal["pong"]
    ref: NotRequired[Ref]


@shape
class ErrorFrame(TypedDict):
    """What was asked for cannot be done; the connection stays."""

    op: Literal["error"]
    ref: NotRequired[Ref]
    code: str
    """One of those in `/docs/errors`."""
    detail: str


def _form(frame: Any) -> str:
    """Which model is meant; the feed's frames share their `op` with a job's."""
    op = str(frame.get("op"))
    return f"{op} feed" if frame.get("feed") is True and op in ("subscribe", "unsubscribe") else op


ClientFrame: TypeAlias = Annotated[
    Annotated[Subscribe, Tag("subscribe")]
    | Annotated[SubscribeFeed, Tag("subscribe feed")]
    | Annotated[Unsubscribe, Tag("unsubscribe")]
    | Annotated[UnsubscribeFeed, Tag("unsubscribe feed")]
    | Annotated[Cancel, Tag("cancel")]
    | Annotated[Auth, Tag("auth")]
    | Annotated[Ping, Tag("ping")],
    Discriminator(_form),
]

CLIENT_FRAMES: Final = (Subscribe, SubscribeFeed, Unsubscribe, UnsubscribeFeed, Cancel, Auth, Ping)
SERVER_FRAMES: Final = (Subscribed, Unsubscribed, Cancelling, Authenticated, Pong, ErrorFrame)

_FRAMES: Final[TypeAdapter[Any]] = TypeAdapter(ClientFrame)


def read_frame(members: Mapping[str, Any]) -> Frame:
    """The frame a JSON object is. Raises BadMessage."""
    try:
        frame: Frame = _FRAMES.validate_python(members)
    except ValidationError as error:
        misfit = error.errors(include_url=False, include_context=False, include_input=False)[0]
        if misfit["type"].startswith("union_tag"):
            detail = "`op` must be subscribe, unsubscribe, cancel, auth or ping, with a `job_id` or `feed`."
        else:
            detail = f"`{misfit['loc'][-1]}`: {misfit['msg']}"
        raise BadMessage(detail) from None
    return frame


def parse(text: str | None) -> dict[str, Any] | None:
    """A frame's object, or None for what is none."""
    try:
        frame = from_json(text or "", allow_inf_nan=False)
    except ValueError:
        return None
    if not isinstance(frame, dict):
        return None
    ref = frame.get("ref")
    return frame if isinstance(ref, str | int | None) and len(str(ref)) <= MOST_REF_CHARACTERS else None
