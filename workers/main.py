"""A worker process put together: what it is made of, and in which order that stops. Behind `tidings worker`."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import structlog
import uvloop
from arq.connections import ArqRedis

from app.artifacts import FileStore
from app.chores import Chores
from app.overdue import Overdue
from app.periodic import Periodic
from app.queue import decode, encode
from app.settings import Settings
from app.store import (
    BatchStore,
    DeliveryStore,
    Identity,
    JobStore,
    KindStore,
    Listing,
    Retention,
    Secret,
    UnfinishedStore,
    UploadStore,
    WebhookSecrets,
)
from app.store.pool import pool
from workers.orphans import Orphans
from workers.registry import HandlersError, Registry
from workers.run.awaiting import gone
from workers.runner import Runner
from workers.sweeper import Sweeper
from workers.webhooks.client import Client
from workers.webhooks.deliverer import Deliverer
from workers.webhooks.schedule import Schedule
from workers.webhooks.sender import Sender
from workers.worker import JobWorker

STORE_PATIENCE_SECONDS: Final = 60.0
"""A handler that saves waits so long for a store of files that is away; what it has made may have taken hours."""
STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

log = structlog.get_logger()


def main(settings: Settings) -> int:
    """Run a worker until SIGTERM or SIGINT. Returns the exit code: 0, or 1 when the handlers cannot be loaded."""
    sys.path.append(os.getcwd())  # a deployment's handlers lie where it starts us; last, so that they shadow nothing
    try:
        uvloop.run(work(settings))
    except HandlersError as error:
        log.error("worker not started", action="worker.not_started", reason=str(error))
        return 1
    return 0


async def work(settings: Settings) -> None:
    """The worker, the deliverer of webhooks, and the sweepers. Redis may be away, at the start as at any time."""
    redis = connect(settings.redis_address)
    store = JobStore(redis, max_log_events=settings.max_log_events, shares=settings.shares)
    uploads, unfinished = UploadStore(redis, settings.upload_ttl_seconds), UnfinishedStore.of(redis, settings)
    files = FileStore.of(settings, patience_seconds=STORE_PATIENCE_SECONDS)
    await asyncio.to_thread(files.prepare)
    registry = Registry.load(settings.handlers)
    secret = Secret.of(redis, settings)
    runner = Runner(registry, store, uploads, files, settings, secret=secret, patience_seconds=STORE_PATIENCE_SECONDS)
    worker = JobWorker(
        redis=redis, store=store, kinds=KindStore(redis), registry=registry, runner=runner, settings=settings
    )
    bounds = {"per_host": settings.webhook_per_host, "per_owner": settings.webhook_per_owner}
    deliveries = DeliveryStore(redis, public_url=settings.public_url, **bounds)
    retention = Retention(redis)
    sweepers = (
        Overdue(store).watch,
        Chores(BatchStore(redis)).watch,
        Periodic("sweep", Sweeper(uploads, unfinished, retention, Listing(redis, store), files).sweep),
        Periodic("orphans", Orphans(settings.data_dir, files, Identity(redis), retention, uploads).sweep),
    )
    async with Client.of(settings) as client, runner.spares:
        sender = Sender(client, WebhookSecrets(redis, settings.webhook_secrets), Schedule(settings.webhook_retry_scale))
        deliverer = Deliverer(deliveries, sender, worker.worker_id, concurrency=settings.webhook_concurrency)
        with stopping(settings.shutdown_grace_seconds, worker.stop, deliverer.stop):
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(sweeper.run()) for sweeper in sweepers]
                delivering = group.create_task(deliverer.run())
                await worker.main()
                await delivering
                await gone(tasks)
    await worker.surrender()
    await redis.aclose(close_connection_pool=True)
    if worker.drain.stuck:
        leave()


def connect(url: str) -> ArqRedis:
    """A client as arq wants it; it connects when first used. No command is sent twice: it may have been done."""
    return ArqRedis(pool(url), job_serializer=encode, job_deserializer=decode)


@contextmanager
def stopping(grace_seconds: float, *stops: Callable[[float], None]) -> Iterator[None]:
    """The first stop signal gives what is under way the grace, the next one none."""
    loop = asyncio.get_running_loop()
    graces = iter((grace_seconds,))

    def stop() -> None:
        grace = next(graces, 0.0)
        log.info("worker stopping", action="worker.stopping", grace_seconds=grace)
        for each in stops:
            each(grace)

    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)


def leave() -> None:
    """End the process although threads of handlers go on in it; Python would wait for them."""
    log.error("handlers do not end", action="worker.stuck")
    logging.shutdown()
    os._exit(1)
