"""One URL with all its methods. Starlette would answer a wrong method with those of the first route of that path."""

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.web.contract import Described

Door: TypeAlias = Callable[[Request], Awaitable[Response]]


def resource(
    path: str,
    *,
    get: Door | None = None,
    post: Door | None = None,
    put: Door | None = None,
    patch: Door | None = None,
    delete: Door | None = None,
    told: Mapping[str, str] = MappingProxyType({}),
) -> Described:
    """The route. A GET door serves HEAD too; OPTIONS tells what there is, in headers of `told` as well; anything else
    is 405 with `Allow`."""
    doors = {"GET": get, "HEAD": get, "POST": post, "PUT": put, "PATCH": patch, "DELETE": delete}
    by_method = {method: door for method, door in doors.items() if door}
    described = {method: door for method, door in by_method.items() if method != "HEAD"}
    allow = ", ".join([*by_method, "OPTIONS"])

    async def options(_: Request) -> Response:
        return Response(status_code=204, headers={"Allow": allow, **told})

    by_method["OPTIONS"] = options

    return Described(path, Resource(by_method), described, methods=list(by_method))


class Resource:
    """The doors of one URL by method, as an ASGI application: Starlette's own for a function catches errors, as our
    middleware does already."""

    def __init__(self, by_method: Mapping[str, Door]) -> None:
        self._by_method = by_method

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._by_method[scope["method"]](Request(scope, receive, send))
        await response(scope, receive, send)
