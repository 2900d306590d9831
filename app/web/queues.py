"""The doors of queues: what waits in them, and holding them back, for operators."""

from dataclasses import asdict
from typing import Annotated, Any, Final, cast

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from typing_extensions import TypedDict

from app.auth import Scope
from app.errors import Unavailable, UnknownQueue
from app.intake.catalog import Catalog
from app.shapes.shape import shape
from app.store import Queues
from app.store.queues import Queue
from app.web.answer import JsonAnswer
from app.web.contract import Answer, Tag, describes
from app.web.headers import CACHE_CONTROL
from app.web.resource import resource

QUEUES: Final = Tag("Queues", "What waits, and holding it back.")


@shape
class QueueObject(TypedDict):
    """How many jobs a queue has, and how fast they go through."""

    queue: str
    paused: bool
    """No job of it is started."""
    waiting: int
    """Could start."""
    delayed: int
    """Not due yet, or suspended."""
    running: int
    """Hold a slot of a worker."""
    lag_seconds: Annotated[float, Field(ge=0)]
    """How long the job has been due that waits longest, of those next of their owner and kind; 0: none waits."""
    started_per_minute: Annotated[int, Field(ge=0)]
    """Runs begun in the last sixty seconds."""
    ended_per_minute: Annotated[int, Field(ge=0)]
    """Jobs that ended in the last sixty seconds, in whatever way."""


@shape
class QueueList(TypedDict):
    """All queues, by name."""

    queues: list[QueueObject]


HELD: Final[dict[str, Any]] = {
    "answers": [Answer(200, "The queue as it stands.", QueueObject)],
    "refuses": [UnknownQueue, Unavailable],
}


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

    @describes(
        "list_queues",
        QUEUES,
        scope=Scope.READ,
        answers=[Answer(200, "The queues.", QueueList, [CACHE_CONTROL])],
        refuses=[Unavailable],
    )
    async def list_queues(self, _: Request) -> Response:
        """Every queue, with what waits and runs in it, for how long, and how much goes through."""
        queues = await self._queues.look_at(await self._names())
        shown: QueueList = {"queues": [_shown(queue) for queue in queues]}
        return JsonAnswer(shown, headers={"Cache-Control": "private, no-cache"})

    @describes("pause_queue", QUEUES, scope=Scope.ADMIN, **HELD)
    async def pause(self, request: Request) -> Response:
        """Hold a queue back.

        None of its jobs is started from now on; what runs goes on.
        """
        name = await self._known(request)
        await self._queues.pause(name)
        return await self._as_it_stands(name)

    @describes("resume_queue", QUEUES, scope=Scope.ADMIN, **HELD)
    async def resume(self, request: Request) -> Response:
        """Start jobs of a queue again."""
        name = await self._known(request)
        await self._queues.resume(name)
        return await self._as_it_stands(name)

    async def _as_it_stands(self, name: str) -> Response:
        (queue,) = await self._queues.look_at([name])
        return JsonAnswer(_shown(queue))

    async def _known(self, request: Request) -> str:
        name: str = request.path_params["queue"]
        if name not in await self._names():
            raise UnknownQueue(f"No kind is put into a queue {name[:64]!r}.")
        return name

    async def _names(self) -> list[str]:
        return sorted({kind.queue for kind in (await self._catalog.all()).values()})


def _shown(queue: Queue) -> QueueObject:
    return cast(QueueObject, asdict(queue))
