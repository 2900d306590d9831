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
from redis.asyncio import BlockingConnectionPool, Redis
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from app.artifacts import FileStore
from app.auth.authenticator import Authenticator
from app.auth.opening import OPEN_MODES, note_open, why_not_open
from app.auth.revocations import Revocations
from app.auth.tokens import Tokens
from app.bus import Bus
from app.chores import Chores
from app.hub import Ages, Hub, Places
from app.intake.batches import Batches
from app.intake.catalog import Catalog
from app.intake.inputs import Inputs
from app.intake.reception import Reception
from app.intake.resumption import Resumptions
from app.intake.submissions import Submissions
from app.locations import Locations
from app.objects.signature import store_origin
from app.overdue import Overdue
from app.periodic import Periodic
from app.pressure import Pressure
from app.server import Listening, Server, raise_limit
from app.settings import Settings
from app.store import (
    BatchStore,
    CallbackStore,
    DeliveryLog,
    JobStore,
    KeyStore,
    KindStore,
    Listing,
    Memory,
    Queues,
    Secret,
    UnfinishedStore,
    UploadStore,
    WebhookSecrets,
)
from app.web.batches import BatchDoors
from app.web.callbacks import CallbackDoors
from app.web.commands import CommandDoors
from app.web.deliveries import DeliveryDoors
from app.web.description import DescriptionDoors
from app.web.gate import Doors
from app.web.health import HealthDoors
from app.web.jobs import JobDoors
from app.web.kinds import KindDoors
from app.web.origins import Origins
from app.web.page import page_routes
from app.web.params import ParamsDoors
from app.web.polls import Polls
from app.web.queues import QueueDoors
from app.web.resource import nothing_here
from app.web.results import ResultDoors
from app.web.sse import EventDoors
from app.web.tokens import TokenDoors
from app.web.tus import TusDoors
from app.web.uploads import UploadDoors
from app.web.waiting import Waits
from app.web.webhook_secrets import SecretDoors
from app.web.websocket import SocketDoors

log = structlog.get_logger()

REDIS_CONNECTIONS: Final = 64
REDIS_TIMEOUT_SECONDS: Final = 5.0
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
            self.routes, self.authenticator, default=nothing_here, lifespan=self.alive, redirect_slashes=False
        )
        return Origins(doors, self.allowed_origins)


def assemble(settings: Settings) -> Web:
    """Build everything; nothing runs or connects yet."""
    pool = BlockingConnectionPool.from_url(
        settings.redis_address,
        max_connections=REDIS_CONNECTIONS,
        timeout=REDIS_TIMEOUT_SECONDS,
        socket_timeout=REDIS_TIMEOUT_SECONDS,
        socket_connect_timeout=REDIS_TIMEOUT_SECONDS,
    )
    redis = Redis.from_pool(pool)
    jobs = JobStore(
        redis,
        max_log_events=settings.max_log_events,
        idempotency_ttl_ms=settings.idempotency_ttl_seconds * 1000,
        admission=settings.admission,
    )
    batches = BatchStore(
        redis, idempotency_ttl_ms=settings.idempotency_ttl_seconds * 1000, admission=settings.admission
    )
    listing, catalog = Listing(redis, jobs), Catalog(KindStore(redis))
    uploads = UploadStore(redis, settings.upload_ttl_seconds)
    files = FileStore.of(settings, patience_seconds=STORE_PATIENCE_SECONDS)
    reception = Reception(files, uploads)
    resumptions = Resumptions(files, UnfinishedStore.of(redis, settings), uploads, reception)
    pressure, queues = Pressure(Memory(redis), settings.max_redis_memory_share), Queues(redis)
    locations = Locations.of(settings, patience_seconds=STORE_PATIENCE_SECONDS)
    inputs, chores = Inputs(jobs, uploads, locations), Chores(batches)
    submissions = Submissions(settings, jobs, catalog, inputs, pressure)
    intake = Batches(submissions, catalog, inputs, batches, settings.max_batch_jobs)
    keys, secret = KeyStore(redis), Secret.of(redis, settings)
    tokens = Tokens(secret)
    polls, commands = Polls(jobs, settings.poll_burst), CommandDoors(settings, jobs)
    hub = Hub(
        jobs,
        listing,
        batches,
        base_url=settings.public_url,
        most_per_owner=settings.max_streams_per_owner,
        ages=Ages(settings.max_stream_seconds or math.inf, settings.idle_stream_seconds or math.inf),
    )
    bus = Bus(redis, hub.publish, hub.missed)
    hub.connect(bus)
    sockets = SocketDoors(
        hub, jobs, allowed_origins=settings.allowed_origins, most_subscriptions=settings.max_subscriptions
    )
    streams = [*EventDoors(hub, polls).routes(), *sockets.routes()]
    doors = [
        *JobDoors(settings, submissions, listing, Waits(hub, polls), commands).routes(),
        *commands.routes(),
        *BatchDoors(settings, intake, batches, chores).routes(),
        *DeliveryDoors(jobs, batches, DeliveryLog(redis)).routes(),
        *SecretDoors(WebhookSecrets(redis, settings.webhook_secrets)).routes(),
        *CallbackDoors(settings, CallbackStore(redis), secret).routes(),
        *ParamsDoors(jobs).routes(),
        *ResultDoors(jobs, files, polls).routes(),
        *TokenDoors(settings, tokens).routes(),
        *TusDoors(settings, resumptions, reception).routes(),
        *UploadDoors(settings, files, reception).routes(),
        *KindDoors(catalog, queues).routes(),
        *QueueDoors(catalog, queues).routes(),
    ]
    aside = [*HealthDoors(_reach(redis, bus), lambda: hub.draining).routes(), *page_routes(store_origin(settings))]
    revocations = Revocations(keys, hub.visits).watch
    descriptions = DescriptionDoors(
        [*doors, *streams, *aside], settings.public_url, is_open=settings.auth in OPEN_MODES
    )
    return Web(
        redis=redis,
        files=files,
        bus=bus,
        hub=hub,
        watches=(Overdue(jobs).watch, chores.watch, Places(jobs, hub.waiting).watch, pressure.watch, revocations),
        routes=[*doors, *streams, *aside, *descriptions.routes()],
        allowed_origins=settings.allowed_origins,
        authenticator=Authenticator.of(settings, keys, tokens),
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
    server = Server(listening, web.hub.drain, settings.shutdown_grace_seconds)
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
