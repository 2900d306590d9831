"""One URL with all its methods. Starlette would answer a wrong method with those of the first route of that path."""

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocketClose

from app.errors import MethodNotAllowed, NotFound
from app.web.contract import PUBLIC, Access, Described
from app.web.cors import preflight
from app.web.fields import FieldsRequest
from app.web.gate import admit
from app.web.problems import problem_of, problem_response
from app.web.security import secured

Door: TypeAlias = Callable[[Request], Awaitable[Response]]
Guarded: TypeAlias = tuple[Door, Access]


def resource(
    path: str,
    *,
    get: Door | None = None,
    post: Door | None = None,
    put: Door | None = None,
    patch: Door | None = None,
    delete: Door | None = None,
    told: Mapping[str, str] = MappingProxyType({}),
    public: bool = False,
) -> Described:
    """The route. A GET door serves HEAD too; OPTIONS tells what there is, in headers of `told` as well; anything else
    is 405 with `Allow`. Who may enter is in each door's contract; `public` lets anybody in where a door has none.
    """
    doors = {"GET": get, "HEAD": get, "POST": post, "PUT": put, "PATCH": patch, "DELETE": delete}
    by_method = {method: door for method, door in doors.items() if door}
    described = {method: door for method, door in by_method.items() if method != "HEAD"}
    allow = ", ".join([*by_method, "OPTIONS"])

    async def options(request: Request) -> Response:
        return Response(status_code=204, headers={"Allow": allow, **told, **preflight(request.scope, allow)})

    guarded = {method: (door, _access(door, public)) for method, door in by_method.items()}
    guarded["OPTIONS"] = options, PUBLIC

    return Described(path, Resource(guarded, allow), described)


def _access(door: Door, public: bool) -> Access:
    contract = getattr(door, "contract", None)
    if contract is None and not public:
        raise TypeError(f"{door} does not say who may enter.")
    access: Access = contract.access if contract else PUBLIC
    return access


class Resource:
    """The doors of one URL by method, as an ASGI application: every answer is secured, every refusal a problem."""

    def __init__(self, by_method: Mapping[str, Guarded], allow: str) -> None:
        self._by_method = by_method
        self._allow = allow

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = FieldsRequest(scope, receive, send)
        try:
            door, access = self._by_method.get(scope["method"]) or (self._refuse, PUBLIC)
            await admit(request, access)
            response = await door(request)
        except Exception as error:
            response = problem_of(error, request)
        await secured(response, scope)(scope, receive, send)

    async def _refuse(self, _: Request) -> Response:
        raise MethodNotAllowed(headers={"Allow": self._allow})


async def nothing_here(scope: Scope, receive: Receive, send: Send) -> None:
    """What answers where there is no route."""
    if scope["type"] == "websocket":
        return await WebSocketClose()(scope, receive, send)
    await secured(problem_response(NotFound(), HTTPConnection(scope)), scope)(scope, receive, send)
