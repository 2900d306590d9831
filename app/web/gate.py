"""Who comes in. Each door that is not open to anybody asks here first, before it reads a thing of the request.

What a credential says is `app/auth`'s to judge; here is where in a request it may lie:
1. `Authorization: Bearer`, which wins;
2. the cookie of a browser token, which counts for unsafe methods and WebSockets only where the page is one of ours;
3. `?access_token=`, on streams alone, since URLs end up in logs and histories; ours never have them.
"""

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute, Router

from app.auth import OPEN, Principal
from app.auth.authenticator import Authenticator
from app.auth.principal import PRINCIPAL
from app.errors import Forbidden
from app.web.contract import Access, Parameter
from app.web.openness import Openness
from app.web.origins import is_own

COOKIE: Final = "__Secure-tidings"
ACCESS_TOKEN: Final = "access_token"  # noqa: S105  a name
IN_URL: Final = Parameter(ACCESS_TOKEN, "A browser token, where nothing else can carry it.")
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Doors(Router):
    """All routes of a process, with whom their doors ask who is there, and whom they serve where nobody asks."""

    def __init__(
        self, routes: Sequence[BaseRoute], authenticator: Authenticator, openness: Openness, **options: Any
    ) -> None:
        super().__init__(routes, **options)
        self.authenticator = authenticator
        self.openness = openness


async def admit(connection: HTTPConnection, access: Access, *, in_url: bool = False) -> None:
    """Let in who may enter. `in_url` is true on streams.

    Raises Unauthenticated, Forbidden, Misdirected, and Unavailable where that cannot be told now.
    """
    if access.scope is None:
        return
    authenticator: Authenticator = connection.scope["router"].authenticator
    if await authenticator.asks():
        principal = await authenticator.principal(credential_of(connection, in_url=in_url))
        permit(principal, access)
    else:
        principal = welcome(connection)
    connection.scope[PRINCIPAL] = principal


def welcome(connection: HTTPConnection) -> Principal:
    """Whom an open service takes everybody for. Raises Misdirected for who is not even of this machine."""
    openness: Openness = connection.scope["router"].openness
    openness.check(connection)
    return OPEN


def permit(principal: Principal, access: Access) -> None:
    """Raises Forbidden for one who may not enter there."""
    if not access.admits(principal.scopes):
        raise Forbidden(f"This needs the scope `{access.scope}`.", scope=access.scope)
    if principal.reach is not None and not access.narrowed:
        raise Forbidden("A browser token does not reach this.")


def credential_of(connection: HTTPConnection, *, in_url: bool) -> str:
    """What a request shows, or nothing. Raises Forbidden for a cookie that another site has sent along."""
    headers = connection.headers
    if "authorization" in headers:
        scheme, _, credential = headers["authorization"].partition(" ")
        return credential.strip() if scheme.lower() == "bearer" else ""
    if COOKIE in headers.get("cookie", "") and (cookie := connection.cookies.get(COOKIE)) and _is_for_it(connection):
        _refuse_foreign_page(connection)
        return cookie
    return connection.query_params.get(ACCESS_TOKEN, "") if in_url else ""


def _is_for_it(connection: HTTPConnection) -> bool:
    """A WebSocket does whatever it is told to later on: pages of other origins, allowed ones too, say who they are."""
    return connection.scope["type"] != "websocket" or is_own(connection.headers)


def _refuse_foreign_page(connection: HTTPConnection) -> None:
    """SameSite=Strict lets a sibling domain pass, and nothing says which browser obeys it."""
    if connection.scope.get("method", "GET") in SAFE:
        return
    headers = connection.headers
    origin = urlsplit(headers.get("origin", ""))
    site = headers.get("sec-fetch-site")
    ours = site in ("same-origin", "none") if site else bool(origin.netloc) and origin.netloc == headers.get("host")
    if not ours:
        raise Forbidden("A cookie does this only from a page of ours; other pages send `Authorization`.")
