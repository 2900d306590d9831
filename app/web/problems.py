"""Every refusal as problem details (RFC 9457). Whatever goes wrong behind a door, this is where its answer is made.

The stream doors, which stand outside of the middleware, call `problem_response` themselves.
"""

import secrets
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

import structlog
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

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


class Problems:
    """ASGI middleware: what is raised behind it, on purpose or not, is answered as a problem."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        scope["app"] = self  # has Starlette's routes raise their refusals too, instead of answering them
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
            response = problem_response(_refusal(error, scope), HTTPConnection(scope))
            await response(scope, receive, send)


def _refusal(error: Exception, scope: Scope) -> Refusal:
    match error:
        case Refusal():
            return error
        case HTTPException(status_code=HTTPStatus.METHOD_NOT_ALLOWED):
            return MethodNotAllowed(headers=error.headers)
        case HTTPException():
            return NotFound(headers=error.headers)
        case ClientDisconnect():
            return BadRequest("The body ended early.")  # nobody reads this, but the server wants an answer
        case _:
            return unexpected(error, scope)


def unexpected(error: Exception, scope: Scope) -> InternalError:
    """Log an error nobody expected; what may be said of it outside."""
    error_id = secrets.token_hex(8)
    log.error("request failed", action="request.failed", error_id=error_id, path=scope.get("path"), exc_info=error)
    return InternalError("The error has been logged; its error_id leads to it.", error_id=error_id)
