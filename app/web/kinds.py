"""The doors of kinds: what can be asked for, and holding one back."""

from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from app.errors import NoSuchKind
from app.intake.catalog import Catalog
from app.store import Kind, Queues
from app.web.answer import JsonAnswer
from app.web.resource import resource


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

    async def list_kinds(self, _: Request) -> Response:
        """Every kind with the JSON Schema of its params."""
        kinds, paused = await self._catalog.all(), await self._queues.paused_kinds()
        shown = {"kinds": [_shown(kind, paused=kind.kind in paused) for kind in kinds.values()]}
        return JsonAnswer(shown, headers={"Cache-Control": "private, no-cache"})

    async def pause(self, request: Request) -> Response:
        """200: no job of the kind is started from now on; what runs goes on."""
        kind = await self._known(request)
        await self._queues.pause_kind(kind.kind)
        return JsonAnswer(_shown(kind, paused=True))

    async def resume(self, request: Request) -> Response:
        """200: its jobs are started again."""
        kind = await self._known(request)
        await self._queues.resume_kind(kind.kind, kind.queue)
        return JsonAnswer(_shown(kind, paused=False))

    async def _known(self, request: Request) -> Kind:
        name: str = request.path_params["kind"]
        kinds = await self._catalog.all()
        if name not in kinds:
            raise NoSuchKind(f"There is no kind {name[:64]!r}.")
        return kinds[name]


def _shown(kind: Kind, *, paused: bool) -> dict[str, Any]:
    return asdict(kind) | {"paused": paused}
