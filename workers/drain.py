"""How a worker's runs come to their end at shutdown: by themselves, interrupted, at last abandoned.

Used by `workers/worker.py`, whose tasks it watches from their first moment.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import structlog

UNWIND_SECONDS: Final = 3.0
"""For interrupted handlers to clean up."""
ABANDON_SECONDS: Final = 1.0
"""For abandoned ones to let go of what they hold."""

log = structlog.get_logger()


class Drain:
    """The tasks under way, each named after its job. `interrupt` is called when the grace is over."""

    def __init__(self, interrupt: Callable[[], None]) -> None:
        self._interrupt = interrupt
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: list[asyncio.TimerHandle] = []
        self._hopeless = asyncio.Event()
        self.interrupting = False

    @property
    def stuck(self) -> bool:
        """Whether a run went on even when it was abandoned: in a thread, which nothing can end."""
        return bool(self._tasks)

    def watch(self, task: asyncio.Task[None]) -> None:
        """From now until it ends."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def begin(self, grace_seconds: float) -> None:
        """Let runs go on for so long; another call can shorten that."""
        loop = asyncio.get_running_loop()
        self._timers += [
            loop.call_later(grace_seconds, self._grace_over),
            loop.call_later(grace_seconds + UNWIND_SECONDS, self._hopeless.set),
        ]

    async def wait(self) -> None:
        """Until every run has ended, or waiting has become hopeless."""
        waits = [asyncio.ensure_future(self._ended()), asyncio.ensure_future(self._hopeless.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def finish(self) -> None:
        """The last resort: what runs still is cancelled, and its lease will run out."""
        for timer in self._timers:
            timer.cancel()
        for task in self._tasks:
            log.error("run abandoned", action="run.abandoned", job_id=task.get_name())
            task.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(ABANDON_SECONDS):
                await self._ended()

    def _grace_over(self) -> None:
        self.interrupting = True
        self._interrupt()

    async def _ended(self) -> None:
        while self._tasks:
            await asyncio.wait(self._tasks)
