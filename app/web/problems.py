"""Every refusal as problem details (RFC 9457). Whatever goes wrong behind a door, this is where its answer is made."""

import re
import secrets
from typing import Final
from urllib.parse import quote

import structlog
from pydantic_core import to_json
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.responses import Response
from starlette.types import Scope

from app.errors import BadRequest, InternalError, Refusal

log = structlog.get_logger()

MEDIA_TYPE: Final = "application/problem+json"
_CALLBACK_TOKEN = re.compile(r"(?<=^/api/callbacks/)[^/]+")
PATH_CHARACTERS: Final = "/:@!$&'()*+,;=~"  # RFC 3986 section 3.3


def problem_response(refusal: Refusal, connection: HTTPConnection) -> Response:
    """The answer to a refused request."""
    problem = refusal.problem(quote(shown(connection.scope.get("path", "")), safe=PATH_CHARACTERS))
    headers = {"Cache-Control": "no-store"} | refusal.headers
    body = to_json(problem)
    return Response(body, status_code=refusal.status, headers=headers, media_type=MEDIA_TYPE)


def shown(path: str) -> str:
    """A request's path as it may be told: problems end up in many a log, and a callback's token is a secret."""
    return _CALLBACK_TOKEN.sub("***", path)


def problem_of(error: Exception, connection: HTTPConnection) -> Response:
    """The answer where a door has raised, on purpose or not."""
    return problem_response(_refusal(error, connection.scope), connection)


def _refusal(error: Exception, scope: Scope) -> Refusal:
    match error:
        case Refusal():
            return error
        case ClientDisconnect():
            return BadRequest("The body ended early.")  # nobody reads this, but the server wants an answer
        case _:
            return unexpected(error, scope)


def unexpected(error: Exception, scope: Scope) -> InternalError:
    """Log an error nobody expected; what may be said of it outside."""
    error_id = secrets.token_hex(8)
    log.error("request failed", action="request.failed", error_id=error_id, path=scope.get("path"), exc_info=error)
    return InternalError("The error has been logged; its error_id leads to it.", error_id=error_id)
