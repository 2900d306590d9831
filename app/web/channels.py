"""What a WebSocket door promises, written beside the door: what it tells, what it is told, and why it closes.

    @speaks("multiplex", scope=Scope.READ, tells=[StreamEvent, *SERVER_FRAMES], hears=CLIENT_FRAMES)
    async def _multiplex(self, socket: WebSocket, writer: Writer) -> None: ...

`app/web/asyncapi.py` folds it into the document, as `app/web/openapi.py` does with the contracts of HTTP doors.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from starlette.routing import BaseRoute, WebSocketRoute

from app.auth import Scope
from app.hub import Close
from app.web.contract import Access, Parameter, Shape, told

D = TypeVar("D", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One WebSocket. The shapes are those of single JSON objects; a server's frame holds one or more, one a line."""

    name: str
    summary: str
    description: str
    scope: Scope
    narrowed: bool = False
    tells: Sequence[Shape]
    hears: Sequence[Shape] = ()
    parameters: Sequence[Parameter] = ()
    closes: Sequence[Close]

    @property
    def access(self) -> Access:
        """Who may enter."""
        return Access(self.scope, self.narrowed)


def speaks(name: str, **promises: Any) -> Callable[[D], D]:
    """Hangs a Channel on a door; its docstring says the rest. The keywords are the Channel's."""

    def hang(door: D) -> D:
        summary, description = told(door)
        channel = Channel(name=name, summary=summary, description=description, **promises)
        door.channel = channel  # type: ignore[attr-defined]  # functions take attributes
        return door

    return hang


class DescribedSocket(WebSocketRoute):
    """A route that knows what its door promises."""

    def __init__(self, path: str, endpoint: Callable[..., Any], door: Any) -> None:
        super().__init__(path, endpoint)
        self.door = door


def channels(routes: Sequence[BaseRoute]) -> Iterator[tuple[str, Channel]]:
    """Path and channel of all WebSocket doors that have one."""
    for route in routes:
        if isinstance(route, DescribedSocket) and (channel := getattr(route.door, "channel", None)):
            yield route.path_format, channel
