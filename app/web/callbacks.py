"""The doors for outside systems that a job waits for. The token in the URL is all they need to have.

Whether a callback really comes from whom it should is the worker's to see, which has the handler: so what may tell, the
body as it came and a few headers, is kept with it.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Final, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from typing_extensions import TypedDict

from app.callbacks import FAILED, Awaited, Outcome, read_token
from app.callbacks import Answer as Answered
from app.errors import BadRequest, CallbackConflict, CallbackOver, Unavailable, UnknownCallback
from app.events import json_text
from app.intake.misfits import misfits_of
from app.settings import Settings
from app.shapes.shape import shape
from app.store import CallbackStore, Secret
from app.web.answer import JsonAnswer
from app.web.body import Bodies
from app.web.contract import JSON_BODY, Answer, Tag, describes
from app.web.resource import resource

LONGEST_TOKEN: Final = 128
MOST_HEADER_BYTES: Final = 4 << 10


@shape
class CallbackObject(TypedDict):
    """What a callback came to."""

    outcome: Outcome
    """`early` came before the job began to wait and is kept; `reconciled` after the job had found the answer itself."""


class Failure(BaseModel):
    """Why the job is to fail."""

    model_config = ConfigDict(
        extra="forbid", strict=True, json_schema_extra={"examples": [{"message": "card declined", "code": "declined"}]}
    )

    message: Annotated[str, StringConstraints(min_length=1, max_length=2_000)]
    code: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")] = FAILED


class Advance(BaseModel):
    """How far the outside system is."""

    model_config = ConfigDict(
        extra="forbid", strict=True, json_schema_extra={"examples": [{"percent": 40, "message": "printing"}]}
    )

    percent: Annotated[float, Field(ge=0, le=100)]
    message: Annotated[str, StringConstraints(max_length=500)] | None = None


AnyJson: TypeAlias = Annotated[Any, Field(examples=[{"paid": True}])]

CALLBACKS: Final = Tag("Callbacks", "For outside systems that a job waits for; the URL is all they need.")
ANSWERS: Final = (
    Answer(200, "It was known: said before, or found by asking.", CallbackObject),
    Answer(202, "The job goes on with it, now or once it waits.", CallbackObject),
)
NOTED: Final = Answer(202, "Noted, unless the job does not wait yet.", CallbackObject)

Wanted = TypeVar("Wanted", bound=BaseModel)


class CallbackDoors:
    """`POST /api/callbacks/{token}`, and `/fail`, `/progress` and `/heartbeat` below it."""

    def __init__(self, settings: Settings, callbacks: CallbackStore, secret: Secret) -> None:
        self._most_bytes = settings.max_callback_bytes
        self._bodies = Bodies(settings)
        self._callbacks = callbacks
        self._secret = secret

    def routes(self) -> list[BaseRoute]:
        return [
            resource("/api/callbacks/{token}", post=self.complete),
            resource("/api/callbacks/{token}/fail", post=self.fail),
            resource("/api/callbacks/{token}/progress", post=self.progress),
            resource("/api/callbacks/{token}/heartbeat", post=self.heartbeat),
        ]

    @describes(
        "call_back",
        CALLBACKS,
        scope=None,
        body=AnyJson,
        answers=ANSWERS,
        refuses=[*JSON_BODY, UnknownCallback, CallbackConflict, CallbackOver, Unavailable],
    )
    async def complete(self, request: Request) -> Response:
        """Answer a job that waits.

        Any JSON; the job's handler goes on with it. It is taken once: the same again is 200, another one 409.
        """
        awaited = await self._awaited(request)
        body = await self._bodies.checked_json(request, self._most_bytes)
        return _told(await self._callbacks.answer(awaited, Answered(False, body, _telling(request))))

    @describes(
        "fail_callback",
        CALLBACKS,
        scope=None,
        body=Failure,
        answers=ANSWERS,
        refuses=[*JSON_BODY, UnknownCallback, CallbackConflict, CallbackOver, Unavailable],
    )
    async def fail(self, request: Request) -> Response:
        """Say that there will be no answer.

        The job fails with this message and code. It is an answer like any other: the first one counts.
        """
        awaited = await self._awaited(request)
        body = await self._bodies.checked_json(request, self._most_bytes)
        _body(Failure, body, '{"message": text, "code": a word}')
        return _told(await self._callbacks.answer(awaited, Answered(True, body, _telling(request))))

    @describes(
        "advance_callback",
        CALLBACKS,
        scope=None,
        body=Advance,
        answers=[NOTED],
        refuses=[*JSON_BODY, UnknownCallback, CallbackOver, Unavailable],
    )
    async def progress(self, request: Request) -> Response:
        """Say how far it is.

        Shown as the job's progress; it counts as a heartbeat too.
        """
        awaited = await self._awaited(request)
        body = await self._bodies.checked_json(request, self._most_bytes)
        told = _body(Advance, body, '{"percent": 0 to 100, "message": up to 500 characters}')
        return _told(await self._callbacks.progress(awaited, round(told.percent, 2), told.message))

    @describes(
        "heartbeat_callback",
        CALLBACKS,
        scope=None,
        answers=[NOTED],
        refuses=[UnknownCallback, CallbackOver, Unavailable],
    )
    async def heartbeat(self, request: Request) -> Response:
        """Say that it is still at work.

        For a wait that demands to be told so now and then. There is no body.
        """
        return _told(await self._callbacks.heartbeat(await self._awaited(request)))

    async def _awaited(self, request: Request) -> Awaited:
        token: str = request.path_params["token"]
        awaited = read_token(await self._secret.value(), token) if len(token) <= LONGEST_TOKEN else None
        if awaited is None:
            raise UnknownCallback
        return awaited


def _told(outcome: Outcome) -> Response:
    known = outcome in (Outcome.DUPLICATE, Outcome.RECONCILED)
    return JsonAnswer({"outcome": outcome}, 200 if known else 202)


def _body(model: type[Wanted], body: bytes, form: str) -> Wanted:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise BadRequest(f"The body is {form}.", errors=misfits_of(error)) from None


def _telling(request: Request) -> str:
    """The headers that may tell who sent it, as JSON, up to a bound."""
    return json_text(dict(_bounded(request)))


def _bounded(request: Request) -> Iterator[tuple[str, str]]:
    size = 0
    for name, value in request.headers.items():
        if name.startswith(("x-", "webhook-")) or "signature" in name:
            size += len(name) + len(value)
            if size > MOST_HEADER_BYTES:
                return
            yield name, value
