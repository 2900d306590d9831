"""What a door promises, written beside the door: its parameters, its body, its answers and what it refuses.

    @describes("submit_job", JOBS, scope=Scope.SUBMIT, body=JobRequest, refuses=[*JSON_BODY, UnknownKind],
               answers=[Answer(202, "Accepted.", JobObject, [LOCATION])])
    async def submit(self, request: Request) -> Response:
        \"\"\"The first sentence is the summary. The rest is the description.\"\"\"

Of it only the access is looked at while requests are served; `app/web/openapi.py` folds it into the document.
"""

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Final, Literal, Self, TypeAlias, TypeVar

from starlette.routing import BaseRoute, Route

from app.auth import Scope
from app.errors import (
    REFUSALS,
    BadRequest,
    BodyTooLarge,
    Forbidden,
    ForeignOrigin,
    HeadersTooLarge,
    InternalError,
    InvalidJson,
    Misdirected,
    Refusal,
    RequestTimeout,
    TargetTooLong,
    TooManyConnections,
    Unauthenticated,
    Unavailable,
    UnknownTransferCoding,
    UnsupportedMediaType,
)

Shape: TypeAlias = Any
"""Whatever pydantic makes a JSON Schema of: a model, a TypedDict, an Annotated type."""


@dataclass(frozen=True, slots=True)
class Access:
    """Who may enter a door: who has the scope, or the other one where there is one; with None anybody.

    A token that is narrowed enters only where the door looks at its reach itself, which `narrowed` says.
    """

    scope: Scope | None
    narrowed: bool = False
    or_scope: Scope | None = None

    def admits(self, scopes: Collection[Scope]) -> bool:
        """Whether these are enough."""
        return self.scope in scopes or self.or_scope in scopes


PUBLIC: Final = Access(None)

D = TypeVar("D", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Header:
    """A header of an answer. `always` is false for one that only some answers have."""

    name: str
    what: str
    shape: Shape = str
    always: bool = True

    @property
    def sometimes(self) -> Self:
        """The same where it may be missing."""
        return replace(self, always=False)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the query, or a header of the request. One shaped as a list may be repeated."""

    name: str
    what: str
    shape: Shape = str
    where: Literal["query", "header"] = "query"
    required: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What a door answers. `content` is the shape of its JSON, or a shape for each media type, or None for no body."""

    status: int
    what: str
    content: Shape | Mapping[str, Shape] = None
    headers: Sequence[Header] = ()

    @property
    def by_media_type(self) -> Mapping[str, Shape]:
        """The shapes of the body."""
        return _by_media_type(self.content)


@dataclass(frozen=True, slots=True)
class Tag:
    """Operations that belong together."""

    name: str
    what: str


ALWAYS: Final = (
    BadRequest,
    ForeignOrigin,
    RequestTimeout,
    TargetTooLong,
    TooManyConnections,
    HeadersTooLarge,
    InternalError,
    UnknownTransferCoding,
    Unavailable,
)
"""What any request may meet, wherever it goes."""

GUARDED: Final = (Unauthenticated, Forbidden, Misdirected, Unavailable)
"""What a door refuses beside that where it is not open to anybody."""

JSON_BODY: Final = (InvalidJson, BodyTooLarge, UnsupportedMediaType)
"""What a door that reads JSON refuses beside that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """All of one operation. `scope`, `narrowed` and `or_scope` are its Access's; `body` is shaped as an answer's
    content; `calls_back` names what is sent to the body's `callback_url`."""

    name: str
    tag: Tag
    summary: str
    scope: Scope | None
    narrowed: bool = False
    or_scope: Scope | None = None
    description: str = ""
    parameters: Sequence[Parameter] = ()
    body: Shape | Mapping[str, Shape] = None
    body_optional: bool = False
    answers: Sequence[Answer]
    refuses: Sequence[type[Refusal]] = ()
    calls_back: str = ""

    @property
    def access(self) -> Access:
        """Who may enter."""
        return Access(self.scope, self.narrowed, self.or_scope)

    @property
    def body_by_media_type(self) -> Mapping[str, Shape]:
        """The shapes of the request's body."""
        return _by_media_type(self.body)

    @property
    def refusals(self) -> Iterator[tuple[int, list[type[Refusal]]]]:
        """By status, those of every door included."""
        expected = {*ALWAYS, *self.refuses, *(GUARDED if self.scope else ())}
        refusals: list[type[Refusal]] = [kind for kind in REFUSALS if kind in expected]
        for status, group in groupby(refusals, key=lambda refusal: refusal.status):
            yield status, list(group)


def describes(name: str, tag: Tag, **promises: Any) -> Callable[[D], D]:
    """Hangs a Contract on a door; its docstring says the rest. The keywords are the Contract's."""

    def hang(door: D) -> D:
        summary, description = told(door)
        contract = Contract(name=name, tag=tag, summary=summary, description=description, **promises)
        door.contract = contract  # type: ignore[attr-defined]  # functions take attributes
        return door

    return hang


def told(thing: object) -> tuple[str, str]:
    """The first paragraph of a docstring, and the rest."""
    summary, _, description = inspect.cleandoc(getattr(thing, "__doc__", None) or "").partition("\n\n")
    return " ".join(summary.split()), description


class Described(Route):
    """A route that knows its doors by method."""

    def __init__(self, path: str, endpoint: Callable[..., Any], doors: Mapping[str, Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        self.doors = doors


def operations(routes: Sequence[BaseRoute]) -> Iterator[tuple[str, str, Contract]]:
    """Path, method and contract of all doors that have one, in the order of the routes."""
    for route in routes:
        if isinstance(route, Described):
            for method, door in route.doors.items():
                if contract := getattr(door, "contract", None):
                    yield route.path_format, method, contract


def _by_media_type(content: Shape | Mapping[str, Shape]) -> Mapping[str, Shape]:
    if content is None:
        return {}
    return content if isinstance(content, Mapping) else {"application/json": content}
