"""What a run has told and Redis has not taken yet: filled by the handler, from any thread, emptied by the flusher.

Bounded: 1,000 events or 1 MiB. Of progress only the latest is kept; nothing else is ever dropped or overtaken.
"""

import asyncio
import threading
from collections.abc import Callable
from itertools import count
from typing import Final

from workers.outcomes import EventBufferFull
from workers.run.entries import Entry

MOST_ENTRIES: Final = 1_000
MOST_BYTES: Final = 1 << 20

PROGRESS: Final = "progress"


class Outbox:
    """Must be made on the loop. `filled` is set while there is something, `urgent` when it should go at once."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._changed = threading.Condition()
        self._pending: dict[int | str, Entry] = {}
        self._numbers = count()
        self._bytes = 0
        self.latest: Entry | None = None  # progress told so far
        self._closed = False
        self.filled = asyncio.Event()
        self.urgent = asyncio.Event()
        self._room = asyncio.Event()

    def put(self, entry: Entry) -> None:
        """For the loop's thread. Raises EventBufferFull."""
        if not self._offer(entry):
            raise EventBufferFull("1,000 events or 1 MiB wait to be sent: await ctx.flush() now and then")

    async def put_waiting(self, entry: Entry) -> None:
        """For the loop's thread: waits for room."""
        while not self._offer(entry):
            self._room.clear()
            await self._room.wait()

    def put_blocking(self, entry: Entry, interrupted: Callable[[], bool]) -> bool:
        """For other threads: blocks until there is room, or until it is interrupted; then nothing was put, False."""
        with self._changed:
            while not self._offer(entry):
                if interrupted():
                    return False
                self._changed.wait()
        return True

    def take(self, *, progress: bool) -> list[Entry]:
        """All there is, in order; a progress only where it may go already."""
        with self._changed:
            taken = self._pending
            kept: dict[int | str, Entry] = {}
            if not progress and (latest := taken.pop(PROGRESS, None)):
                kept[PROGRESS] = latest
            self._replace(kept)
        return list(taken.values())

    def close(self) -> None:
        """Nobody empties it any more: what is in it is dropped, and whatever comes."""
        with self._changed:
            self._closed = True
            self._replace({})

    def wake(self) -> None:
        """Have threads that are blocked see whether they are interrupted."""
        with self._changed:
            self._changed.notify_all()

    def _offer(self, entry: Entry) -> bool:
        with self._changed:
            if self._closed:
                return True
            is_progress = entry.type == PROGRESS
            if not is_progress and self._is_full:
                self._loop.call_soon_threadsafe(self.urgent.set)
                return False
            if is_progress:
                self.latest = entry
                self._bytes -= self._pending.pop(PROGRESS, Entry("", "")).size
            if not self._pending:
                self._loop.call_soon_threadsafe(self.filled.set)
            self._pending[PROGRESS if is_progress else next(self._numbers)] = entry
            self._bytes += entry.size
            return True

    @property
    def _is_full(self) -> bool:
        return len(self._pending) >= MOST_ENTRIES or self._bytes >= MOST_BYTES

    def _replace(self, pending: dict[int | str, Entry]) -> None:
        self._pending = pending
        self._bytes = sum(entry.size for entry in pending.values())
        if not pending:
            self.filled.clear()
        self._room.set()
        self._changed.notify_all()
