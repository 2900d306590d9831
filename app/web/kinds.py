"""The doors of kinds: what can be asked for, and holding one back."""

from dataclasses import asdict
from typing import Any, Final, cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from typing_extensions import TypedDict

from app.auth import Scope
from app.errors import NoSuchKind, Unavailable
from app.intake.catalog import Catalog
from app.shapes.shape import shape
from app.store import Kind, Queues
from app.web.answer import JsonAnswer
from app.web.contract import Answer, Tag, describes
from app.web.headers import CACHE_CONTROL
from app.web.resource import resource

KINDS: Final = Tag("Kinds", "What can be asked for, and holding it back.")


@shape
class KindObject(TypedDict):
    """What can be asked for. Times are seconds."""

    kind: str
    description: str
    params_schema: dict[str, Any]
    """JSON Schema of an object."""
    queue: str
    timeout_seconds: float
    max_attempts: int
    max_running: int
    """At once, over all workers; 0 is no limit."""
    result_ttl_seconds: int | None
    """How long results are kept where the submission does not say; null leaves it to the settings."""
    memory_bytes: int | None
    """What each process of a run may take; null is no limit. More is `out_of_memory`."""
    cpu_seconds: int | None
    """CPU time of each process of a run; null is no limit. More is `cpu_limit`."""
    paused: bool
    """No job of it is started."""


@shape
class KindList(TypedDict):
    """All kinds, by name."""

    kinds: list[KindObject]


HELD: Final[dict[str, Any]] = {
    "answers": [Answer(200, "The kind as it stands.", KindObject)],
    "refuses": [NoSuchKind, Unavailable],
}


class KindDoors:
    """`/api/kinds`, and `/pause` and `/resume` of one."""

    def __init__(self, catalog: Catalog, queues: Queues) -> None:
        self._catalog = catalog
        self._queues = queues

    def routes(self) -> list[BaseRoute]:
        return [
            resource("/api/kinds", get=self.list_kinds),
            resource("/api/kinds/{kind}/pause", post=self.pause),
            resource("/api/kinds/{kind}/resume", post=self.resume),
        ]

    @describes(
        "list_kinds",
        KINDS,
        scope=Scope.READ,
        narrowed=True,
        answers=[Answer(200, "The kinds.", KindList, [CACHE_CONTROL])],
        refuses=[Unavailable],
    )
    async def list_kinds(self, _: Request) -> Response:
        """Every kind with the JSON Schema of its params."""
        kinds, paused = await self._catalog.all(), await self._queues.paused_kinds()
        shown: KindList = {"kinds": [_shown(kind, paused=kind.kind in paused) for kind in kinds.values()]}
        return JsonAnswer(shown, headers={"Cache-Control": "private, no-cache"})

    @describes("pause_kind", KINDS, scope=Scope.ADMIN, **HELD)
    async def pause(self, request: Request) -> Response:
        """Hold a kind back.

        No job of the kind is started from now on; what runs goes on.
        """
        kind = await self._known(request)
        await self._queues.pause_kind(kind.kind)
        return JsonAnswer(_shown(kind, paused=True))

    @describes("resume_kind", KINDS, scope=Scope.ADMIN, **HELD)
    async def resume(self, request: Request) -> Response:
        """Start jobs of a kind again."""
        kind = await self._known(request)
        await self._queues.resume_kind(kind.kind, kind.queue)
        return JsonAnswer(_shown(kind, paused=False))

    async def _known(self, request: Request) -> Kind:
        name: str = request.path_params["kind"]
        kinds = await self._catalog.all()
        if name not in kinds:
            raise NoSuchKind(f"There is no kind {name[:64]!r}.")
        return kinds[name]


def _shown(kind: Kind, *, paused: bool) -> KindObject:
    return cast(KindObject, asdict(kind) | {"paused": paused})
