"""The web process put together: what it is made of, and in which order that starts and stops.

`create_app` gives the ASGI application for any server; `serve`, behind `tidings web`, runs it on ours.
"""

import asyncio
import gc
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import structlog
import uvloop
from redis.asyncio import Redis
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from app.artifacts import FileStore
from app.auth.authenticator import Authenticator
from app.auth.opening import note_open, why_not_open
from app.auth.revocations import Revocations
from app.auth.tokens import Tokens
from app.bus import Bus
from app.chores import Chores
from app.hub import Ages, Attendance, Hub, Places
from app.intake.intake import Intake
from app.locations import Locations
from app.overdue import Overdue
from app.periodic import Periodic
from app.server import Listening, Server, raise_limit
from app.settings import Settings
from app.store.stores import Stores
from app.web.doors import doors
from app.web.gate import Doors
from app.web.openness import Openness
from app.web.origins import Origins
from app.web.resource import nothing_here

log = structlog.get_logger()

STORE_PATIENCE_SECONDS: Final = 5.0
"""An upload waits so long for a store of files that is away, then it is refused."""
GARBAGE_OBJECTS: Final = 10_000
"""So many more objects than before are looked through for cycles nobody refers to."""


@dataclass(frozen=True, slots=True)
class Web:
    """The application and the parts whose life it is."""

    redis: Redis
    files: FileStore
    bus: Bus
    hub: Hub
    watches: tuple[Periodic, ...]
    routes: list[BaseRoute]
    allowed_origins: tuple[str, ...]
    authenticator: Authenticator
    openness: Openness

    @asynccontextmanager
    async def alive(self, _: object) -> AsyncIterator[None]:
        """ASGI lifespan: the bus, the hub and the watches run while the server does."""
        await asyncio.to_thread(self.files.prepare)
        runs = (self.bus.run, self.hub.run, *(watch.run for watch in self.watches))
        tasks = [asyncio.create_task(run()) for run in runs]
        try:
            yield
        finally:
            for watch in self.watches:
                watch.stop()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.hub.close()
            await self.redis.aclose()

    def app(self) -> ASGIApp:
        """All doors."""
        doors = Doors(
            self.routes,
            self.authenticator,
            self.openness,
            default=nothing_here,
            lifespan=self.alive,
            redirect_slashes=False,
        )
        return Origins(doors, self.allowed_origins)


def assemble(settings: Settings) -> Web:
    """Build everything; nothing runs or connects yet."""
    stores = Stores.of(settings)
    files = FileStore.of(settings, patience_seconds=STORE_PATIENCE_SECONDS)
    locations = Locations.of(settings, patience_seconds=STORE_PATIENCE_SECONDS)
    intake = Intake.of(settings, stores, files, locations)
    hub, chores, tokens = _hub(settings, stores), Chores(stores.batches), Tokens(stores.secret)
    bus = Bus(stores.redis, hub.publish, hub.missed)
    hub.connect(bus)
    reach = _reach(stores.redis, bus)
    return Web(
        redis=stores.redis,
        files=files,
        bus=bus,
        hub=hub,
        watches=(
            Overdue(stores.jobs).watch,
            chores.watch,
            Places(stores.jobs, hub.waiting).watch,
            intake.pressure.watch,
            Revocations(stores.keys, hub.attendance.visits).watch,
        ),
        routes=doors(settings, stores, files, intake, hub, chores=chores, tokens=tokens, reach=reach),
        allowed_origins=settings.allowed_origins,
        authenticator=Authenticator.of(settings, stores.keys, tokens),
        openness=Openness.of(settings),
    )


def _hub(settings: Settings, stores: Stores) -> Hub:
    ages = Ages(settings.max_stream_seconds or math.inf, settings.idle_stream_seconds or math.inf)
    return Hub(
        stores.jobs,
        stores.listing,
        stores.batches,
        base_url=settings.public_url,
        attendance=Attendance(settings.max_streams_per_owner, ages),
    )


def _reach(redis: Redis, bus: Bus) -> Callable[[], Awaitable[object]]:
    """Whether Redis can be asked and is listened to; waits until both are so."""

    async def reach() -> None:
        await bus.connected.wait()
        await redis.ping()

    return reach


def create_app(settings: Settings | None = None) -> ASGIApp:
    """The ASGI application, with the environment's settings unless others are given."""
    return assemble(settings or Settings()).app()


def serve(settings: Settings) -> int:
    """Run the web process until SIGTERM or SIGINT. Returns the exit code: 0, or 1 when it could not start."""
    if reason := why_not_open(settings):
        log.error(reason, action="auth.not_started")
        return 1
    note_open(settings)
    raise_limit()
    try:
        web = assemble(settings)
    except (OSError, ValueError) as error:  # what a setting names is not there, or of no use
        log.error("not started", action="web.not_started", error=str(error))
        return 1
    listening = Listening(web.app(), settings.host, settings.port, settings.connections)
    server = Server(listening, web.hub.attendance.drain, settings.shutdown_grace_seconds)
    _collect_less()
    try:
        uvloop.run(server.serve())
    except SystemExit:  # uvicorn's way to say that it could not start; the reason has been logged
        return 1
    return 0


def _collect_less() -> None:
    """What is there by now stays, and a request leaves next to nothing that refers to itself: to look for such garbage
    as often as Python does costs a tenth of each request."""
    gc.freeze()
    gc.set_threshold(GARBAGE_OBJECTS)
