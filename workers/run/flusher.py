"""Sends what a run tells, and at last how it ended, into the job's log: all that waits in one `apply` call.

At once after a quiet time, else ten times a second; sooner when the outbox is full or `ctx.flush()` asks, but then
without the progress. While Redis is away it backs off and keeps trying; what was written, but not answered, is not
written twice. One per run, owned by `execution.py`.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import Final

import structlog

from app.errors import StoreError, Unavailable, UnknownJob
from app.periodic import backoff
from app.store import Change, JobStore, Run
from workers.run.entries import Entry
from workers.run.outbox import Outbox

INTERVAL_SECONDS: Final = 0.1

log = structlog.get_logger()


class Flusher:
    """`on_lost()` is called when the run is no longer ours; nothing is written from then on."""

    def __init__(self, store: JobStore, run: Run, outbox: Outbox, on_lost: Callable[[], None]) -> None:
        self._store = store
        self._run = run
        self._outbox = outbox
        self._on_lost = on_lost
        self._end: Entry | None = None
        self._due = 0.0
        self._parts = count(1)
        self._flushed = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._work())

    async def flush(self) -> None:
        """Until all that was told before is in the log, a progress perhaps excepted."""
        if self._task.done():
            return
        flushed = self._flushed
        self._hurry()
        await flushed.wait()

    async def finish(self, end: Entry) -> None:
        """Send the rest and the end, together. Returns when they are written, or are no longer ours to write."""
        self._end = end
        self._hurry()
        await asyncio.wait([self._task])
        if not self._task.cancelled():
            self._task.result()

    def abandon(self) -> None:
        """Write nothing more."""
        self._outbox.close()
        self._task.cancel()

    async def _work(self) -> None:
        try:
            while not await self._send_next():
                pass
        except (StoreError, UnknownJob):
            log.warning("run lost", action="run.lost", job_id=self._run.job_id, attempt=self._run.attempt)
            self._on_lost()
        finally:
            self._outbox.close()
            self._flushed.set()

    async def _send_next(self) -> bool:
        """One batch; whether it was the last."""
        await self._outbox.filled.wait()
        await self._pause()
        self._outbox.urgent.clear()
        flushed, self._flushed = self._flushed, asyncio.Event()
        end, regular = self._end, self._loop.time() >= self._due
        entries = self._outbox.take(progress=regular or end is not None)
        if regular:
            self._due = self._loop.time() + INTERVAL_SECONDS
        try:
            await self._send([*entries, end] if end else entries)
        finally:
            flushed.set()
        return end is not None

    def _hurry(self) -> None:
        self._outbox.filled.set()
        self._outbox.urgent.set()

    async def _pause(self) -> None:
        if (seconds := self._due - self._loop.time()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._outbox.urgent.wait()

    async def _send(self, entries: list[Entry]) -> None:
        changes, part = [Change(*entry) for entry in entries], next(self._parts)
        failures = 0
        while changes:
            try:
                await self._store.apply(self._run.job_id, changes, token=self._run.token, part=part)
                return
            except Unavailable as error:
                if not failures:
                    log.warning("log not written", action="log.delayed", job_id=self._run.job_id, error=str(error))
                await asyncio.sleep(backoff(failures))
                failures += 1
