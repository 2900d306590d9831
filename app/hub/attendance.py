"""Who is connected: counted by owner and credential, ended with age, and all at once when the process stops.

The hub has one; the doors of streams ask it to admit a connection before they watch anything.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog

from app.auth.principal import Principal
from app.hub.ages import Ages
from app.hub.visits import Visits
from app.hub.wire import Close
from app.hub.writer import Writer

log = structlog.get_logger()

RECONNECT_MS: Final = (1_000, 5_000)
DRAIN_BATCHES: Final = 20
MOST_AT_ONCE: Final = 500


class Full(Exception):
    """This connection cannot be had now: too many of its owner, or the process is stopping."""

    def __init__(self, close: Close) -> None:
        super().__init__(close.name)
        self.close = close


class Attendance:
    """The open streams, WebSockets and held answers of one web process."""

    def __init__(self, most_per_owner: int, ages: Ages) -> None:
        self._most_per_owner = most_per_owner
        self._ages = ages
        self._writers: dict[Writer, None] = {}
        self._per_owner: Counter[str] = Counter()
        self.visits = Visits()
        self.draining = False

    @contextmanager
    def admitted(self, principal: Principal, writer: Writer) -> Iterator[None]:
        """A connection, counted for as long as it lasts, and ended when its credential does. Raises Full."""
        owner, most = principal.owner, principal.bounds.most_streams
        if self.draining:
            raise Full(Close.RESTARTING)
        if self._per_owner[owner] >= self._most_per_owner or 0 < most <= self.visits.count(principal.credential):
            raise Full(Close.TOO_MANY)
        self._per_owner[owner] += 1
        self._writers[writer] = None
        self.visits.note(principal, writer)
        self._ages.begin(writer, asyncio.get_running_loop().time())
        try:
            yield
        finally:
            self._ages.end(writer)
            self.visits.forget(writer)
            self._writers.pop(writer, None)
            self._per_owner[owner] -= 1
            if not self._per_owner[owner]:
                del self._per_owner[owner]

    def end_old(self, now: float) -> None:
        """Tell those that are old, or idle for long, to come back. To be called every second or so."""
        for writer in self._ages.ending(now):
            writer.finish(Close.COME_BACK, retry_ms=moment())

    async def keep_alive(self, now: float) -> None:
        """A word to all who have long heard nothing, some hundreds in one turn. To be called every second or so."""
        writers = list(self._writers)
        for start in range(0, len(writers), MOST_AT_ONCE):
            for writer in writers[start : start + MOST_AT_ONCE]:
                writer.keep_alive(now)
            await asyncio.sleep(0)

    async def drain(self, seconds: float) -> None:
        """End every connection within that time, in batches, each told to come back after a moment of its own."""
        self.draining = True
        writers = list(self._writers)
        random.shuffle(writers)
        log.info("ending streams", action="hub.drain", connections=len(writers))
        size = -(-len(writers) // DRAIN_BATCHES) or 1
        for start in range(0, len(writers), size):
            for writer in writers[start : start + size]:
                writer.finish(Close.RESTARTING, retry_ms=moment())
            await asyncio.sleep(seconds / DRAIN_BATCHES)
        for writer in list(self._writers):  # who does not even take its good-bye
            writer.close(Close.RESTARTING)


def moment() -> int:
    """Milliseconds until a client comes back: not all at once."""
    return random.randint(*RECONNECT_MS)  # noqa: S311  jitter
