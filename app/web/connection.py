"""What the stream doors share: reading a request's wishes, and holding a connection until the client is gone."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Annotated, Any, Final

from pydantic import Field
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope

from app.errors import BadRequest
from app.hub import Close
from app.jobs import SEQ_DIGITS, parse_seq
from app.server import HANG_UP
from app.web.contract import Parameter
from app.web.gate import ACCESS_TOKEN
from app.web.query import parameters

CURSORS: Final = frozenset({"after", "last_event_id"})

_SEQ: Final = Annotated[int, Field(ge=0, lt=10**SEQ_DIGITS)]
AFTER: Final = (
    Parameter("after", "The seq the client has; 0 asks for the whole log.", _SEQ),
    Parameter("last_event_id", "The same.", _SEQ),
)
LAST_EVENT_ID: Final = Parameter(
    "Last-Event-ID", "The same; an EventSource sends it by itself, and it wins.", where="header"
)


def hang_up_of(scope: Scope) -> Callable[[Close], None]:
    """How to end this connection without waiting for its client; under a server not ours, by ending its task."""
    extensions: dict[str, dict[str, Any]] = scope.get("extensions") or {}
    if HANG_UP in extensions:
        hang_up: Callable[[Close], None] = extensions[HANG_UP]["call"]
        return hang_up
    task = asyncio.current_task()

    def end_task(_: Close) -> None:
        if task is not None:
            task.cancel()

    return end_task


def expect_reader(scope: Scope) -> None:
    """A stream's client reads all the time; where the kernel can, it is to give up soon on one that has vanished."""
    extensions: dict[str, dict[str, Any]] = scope.get("extensions") or {}
    if "expect_reader" in extensions.get(HANG_UP, {}):
        extensions[HANG_UP]["expect_reader"]()


def unknown(scope: Scope) -> AbstractContextManager[None]:
    """What a WebSocket waits in that has yet to say who it is: there may not be many. To enter it may raise Full."""
    extensions: dict[str, dict[str, Any]] = scope.get("extensions") or {}
    waiting: Callable[[], AbstractContextManager[None]] = extensions.get(HANG_UP, {}).get("unknown", nullcontext)
    return waiting()


async def until_gone(receive: Receive) -> None:
    """Returns when the connection is over, whoever ended it."""
    while (await receive())["type"] not in ("http.disconnect", "websocket.disconnect"):
        pass


def after_of(connection: HTTPConnection) -> int | None:
    """The seq the client has, from `Last-Event-ID` or else `?after=`; None for a fresh start.

    A reconnecting EventSource sends its original URL and the newer header, so the header wins. An id that is none of
    ours means a fresh start; a malformed `after` raises BadRequest, as any other parameter does.
    """
    query = parameters(connection, once=CURSORS | {ACCESS_TOKEN})
    cursors = [(name, text) for name, text in query.items() if name in CURSORS]
    if len(cursors) > 1:
        raise BadRequest("Send `after` or `last_event_id`, not both.", parameter="last_event_id")
    last_event_id = connection.headers.get("last-event-id")
    if last_event_id:
        return parse_seq(last_event_id)
    for name, text in cursors:
        seq = parse_seq(text)
        if seq is None:
            raise BadRequest(f"`{name}` must be a seq: a whole number, 0 for the whole log.", parameter=name)
        return seq
    return None
