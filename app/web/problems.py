"""Every refusal as problem details (RFC 9457). Whatever goes wrong behind a door, this is where its answer is made.

`HANDLERS` is for what doors raise on purpose, `LastResort` for what nobody expected; the stream doors, which stand
outside of both, call `problem_response` themselves.
"""

import secrets
from http import HTTPStatus
from typing import Any, Final, cast
from urllib.parse import quote

import structlog
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, ExceptionHandler, Message, Receive, Scope, Send

from app.errors import BadRequest, InternalError, MethodNotAllowed, NotFound, Refusal

log = structlog.get_logger()

MEDIA_TYPE: Final = "application/problem+json"
PATH_CHARACTERS: Final = "/:@!$&'()*+,;=~"  # RFC 3986 section 3.3


def problem_response(refusal: Refusal, connection: HTTPConnection) -> Response:
    """The answer to a refused request."""
    problem = refusal.problem(quote(connection.scope.get("path", ""), safe=PATH_CHARACTERS))
    headers = {"Cache-Control": "no-store"} | refusal.headers
    if (seconds := headers.get("Retry-After", "")).isdigit():
        problem["retry_after"] = int(seconds)
    body = to_json(problem)
    return Response(body, status_code=refusal.status, headers=headers, media_type=MEDIA_TYPE)


class LastResort:
    """ASGI middleware: what is raised unexpectedly is logged under an id and answered by that id alone."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        started = False

        async def note_start(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, note_start)
        except Exception as error:
            if started:  # too late for another answer: the server breaks the connection off
                raise
            response = problem_response(unexpected(error, scope), HTTPConnection(scope))
            await response(scope, receive, send)


def unexpected(error: Exception, scope: Scope) -> InternalError:
    """Log an error nobody expected; what may be said of it outside."""
    error_id = secrets.token_hex(8)
    log.error("request failed", action="request.failed", error_id=error_id, path=scope.get("path"), exc_info=error)
    return InternalError("The error has been logged; its error_id leads to it.", error_id=error_id)


async def _refused(connection: HTTPConnection, refusal: Refusal) -> Response:
    return problem_response(refusal, connection)


async def _not_routed(connection: HTTPConnection, error: HTTPException) -> Response:
    """What Starlette's routing and static files raise."""
    refusal = MethodNotAllowed if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED else NotFound
    return problem_response(refusal(headers=error.headers), connection)


async def _gone(connection: HTTPConnection, _: ClientDisconnect) -> Response:
    """Nobody reads this answer, but the server wants one."""
    return problem_response(BadRequest("The body ended early."), connection)


HANDLERS: Final[dict[Any, ExceptionHandler]] = {
    Refusal: cast(ExceptionHandler, _refused),
    HTTPException: cast(ExceptionHandler, _not_routed),
    ClientDisconnect: cast(ExceptionHandler, _gone),
}
