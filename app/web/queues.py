"""The doors of queues: what waits in them, and holding them back, for operators."""

from dataclasses import asdict

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from app.errors import UnknownQueue
from app.intake.catalog import Catalog
from app.store import Queues
from app.web.answer import JsonAnswer
from app.web.resource import resource


class QueueDoors:
    """`/api/queues`, and `/pause` and `/resume` of one. A queue is known by the kinds that are put into it."""

    def __init__(self, catalog: Catalog, queues: Queues) -> None:
        self._catalog = catalog
        self._queues = queues

    def routes(self) -> list[BaseRoute]:
        return [
            resource("/api/queues", get=self.list_queues),
            resource("/api/queues/{queue}/pause", post=self.pause),
            resource("/api/queues/{queue}/resume", post=self.resume),
        ]

    async def list_queues(self, _: Request) -> Response:
        """Every queue, with what waits and runs in it."""
        queues = await self._queues.look_at(await self._names())
        return JsonAnswer(
            {"queues": [asdict(queue) for queue in queues]}, headers={"Cache-Control": "private, no-cache"}
        )

    async def pause(self, request: Request) -> Response:
        """200: none of its jobs is started from now on; what runs goes on."""
        name = await self._known(request)
        await self._queues.pause(name)
        return await self._shown(name)

    async def resume(self, request: Request) -> Response:
        """200: its jobs are started again."""
        name = await self._known(request)
        await self._queues.resume(name)
        return await self._shown(name)

    async def _shown(self, name: str) -> Response:
        (queue,) = await self._queues.look_at([name])
        return JsonAnswer(asdict(queue))

    async def _known(self, request: Request) -> str:
        name: str = request.path_params["queue"]
        if name not in await self._names():
            raise UnknownQueue(f"No kind is put into a queue {name[:64]!r}.")
        return name

    async def _names(self) -> list[str]:
        return sorted({kind.queue for kind in (await self._catalog.all()).values()})
