"""An answer that goes on, for the doors in `app/web/sse.py`: what form it has, how it begins, how it is refused.

They are plain ASGI applications, so that the hub's writer calls the server's own `send`.
"""

import random
from collections.abc import Awaitable, Callable
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.errors import MethodNotAllowed, NotAcceptable, Refusal, Unavailable
from app.hub import Full, Writer
from app.web.connection import expect_reader
from app.web.contract import Contract
from app.web.cors import preflight, told_to_origin
from app.web.fields import FieldsRequest
from app.web.gate import admit
from app.web.negotiation import accept_of, preferred
from app.web.problems import problem_response
from app.web.security import HEADERS, secured

EVENT_STREAM: Final = "text/event-stream"
ALLOW: Final = {"Allow": "GET, HEAD, OPTIONS"}
RETRY_MS: Final = 3_000
COME_BACK_MS: Final = (2_000, 10_000)


class StreamDoor:
    """An ASGI application around one stream: its methods, who may enter, and refusals as problems."""

    def __init__(self, stream: Callable[[Request, Send], Awaitable[Any]]) -> None:
        contract: Contract = stream.contract  # type: ignore[attr-defined]  # `describes` has hung it there
        self._stream = stream
        self._access = contract.access
        self._forms = tuple(contract.answers[0].by_media_type)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = FieldsRequest(scope, receive)
        try:
            if request.method == "OPTIONS":
                told = Response(status_code=204, headers=ALLOW | preflight(scope, ALLOW["Allow"]))
                return await secured(told, scope)(scope, receive, send)
            if request.method not in ("GET", "HEAD"):
                raise MethodNotAllowed(headers=ALLOW)
            await admit(request, self._access, in_url=True)
            await self._stream(request, send)
        except (Full, Unavailable):
            await secured(_come_back(request, self._forms), scope)(scope, receive, send)
        except Refusal as refusal:
            await secured(problem_response(refusal, request), scope)(scope, receive, send)


async def begins(request: Request, writer: Writer, send: Send, form: str) -> bool:
    """Send the head. Answers whether the client wants more than that: who asks by HEAD does not."""
    if request.method == "HEAD":
        await _send_head(request, send, form)
        await send({"type": "http.response.body", "body": b""})  # no length, as the stream has none
        return False
    expect_reader(request.scope)
    await _send_head(request, send, form)
    if form == EVENT_STREAM:  # its first bytes come at once (WHATWG HTML 9.2)
        await send({"type": "http.response.body", "body": b"retry: %d\n\n" % RETRY_MS, "more_body": True})
    writer.open()
    return True


async def stop(request: Request, send: Send) -> None:
    """Nothing will come that the client has not: 204, which ends an EventSource for good."""
    await answer(request, Response(status_code=204), send)


async def answer(request: Request, response: Response, send: Send) -> None:
    """It is no stream after all."""
    await secured(response, request.scope)(request.scope, request.receive, send)


async def _send_head(request: Request, send: Send, form: str) -> None:
    headers = [
        (b"content-type", form.encode() + (b"; charset=utf-8" if form == "text/plain" else b"")),
        (b"cache-control", b"no-store"),
        (b"x-accel-buffering", b"no"),
        (b"vary", b"Accept"),
        *HEADERS,
        *told_to_origin(request.scope),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})


def form_of(request: Request, *others: str) -> str:
    """Which form the client wants: an event stream, or one of the others. Raises NotAcceptable."""
    offers = (EVENT_STREAM, *others)
    form = preferred(accept_of(request), offers)
    if form is None:
        raise NotAcceptable(f"It comes as {', '.join(offers)}.", header="Accept")
    return form


def _come_back(request: Request, forms: tuple[str, ...]) -> Response:
    """Any status but 200 would end an EventSource for ever; so it is told to come back, after a moment of its own."""
    retry = random.randint(*COME_BACK_MS)  # noqa: S311  jitter
    if preferred(accept_of(request), forms) != EVENT_STREAM:
        refusal = Unavailable("No stream is free at the moment.", headers={"Retry-After": str(retry // 1000)})
        return problem_response(refusal, request)
    return Response(f"retry: {retry}\n\n", media_type=EVENT_STREAM, headers={"Cache-Control": "no-store"})
