"""Which pages of other origins may use the service: those the settings name, and no others.

`Origins` stands before all doors. It looks at a request's `Origin` once and leaves in its scope what the answer is to
say; no `send` is wrapped, so a stream costs what it did. What a stranger's page can have a browser send without asking
first, as a form does, is refused here where it would change something.
"""

from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import ForeignOrigin
from app.web.cors import TOLD, VARY, permission
from app.web.fields import Fields
from app.web.problems import problem_response
from app.web.security import secured

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Origins:
    """The application behind it is told of each request what its origin may."""

    def __init__(self, app: ASGIApp, allowed: Iterable[str]) -> None:
        self._app = app
        self._permissions = {origin: permission(origin) for origin in allowed}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = Fields.of(scope)
            permitted = self._permissions.get(headers.get("origin", ""))
            if self._permissions:
                scope[TOLD] = permitted or (VARY,)
            if not permitted and scope["method"] not in SAFE and is_strangers(headers):
                refusal = problem_response(ForeignOrigin(header="Origin"), HTTPConnection(scope))
                return await secured(refusal, scope)(scope, receive, send)
        await self._app(scope, receive, send)


def is_strangers(headers: Headers) -> bool:
    """Whether a page of another origin asks. Browsers say so (Fetch metadata); other clients say nothing."""
    if site := headers.get("sec-fetch-site"):
        return site not in ("same-origin", "none")
    return not is_own(headers)


def is_own(headers: Headers) -> bool:
    """Whether `Origin`, where it is sent, is the one that was asked (RFC 6455 section 10.2)."""
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == headers.get("host")
