"""Says that a worker is there, as often as its leases are renewed, so that operators see who works.

Used by `workers/worker.py`. A worker that has died is forgotten after three leases, one that stops at once.
"""

import asyncio
import socket
from contextlib import suppress
from typing import Final

from app.errors import Unavailable
from app.periodic import Periodic
from app.settings import Settings
from app.store import Announcement, WorkerStore
from workers.registry import Registry

HOLDS_LEASES: Final = 3
LEAVE_SECONDS: Final = 1.0


class Presence:
    """Of one worker; `telling` is to be run in a task."""

    def __init__(self, workers: WorkerStore, worker_id: str, registry: Registry, settings: Settings) -> None:
        self._workers = workers
        self._worker_id = worker_id
        kinds = tuple(sorted(kind.kind for kind in registry.kinds()))
        self._says = Announcement(socket.gethostname(), settings.concurrency, kinds, tuple(settings.queues))
        self._lease = settings.lease_seconds
        self._since: int | None = None
        self.telling = Periodic("presence", self.tell)

    async def tell(self) -> float:
        """Answers after how many seconds to do so again. Raises Unavailable."""
        holds_ms = int(HOLDS_LEASES * self._lease * 1000)
        self._since = await self._workers.announce(self._worker_id, self._says, holds_ms=holds_ms, since=self._since)
        return self._lease / 3

    async def leave(self) -> None:
        """It is there no more. Where that cannot be said, it will be noticed."""
        with suppress(TimeoutError, Unavailable):
            async with asyncio.timeout(LEAVE_SECONDS):
                await self._workers.forget(self._worker_id)
