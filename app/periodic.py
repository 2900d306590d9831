"""A step called again and again, in a task of its own: claims, heartbeats, announcements, sweeps.

It outlives every failure of its step: Redis away, or a bug, is a log line and a pause. Used by web and workers.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import structlog

from app.errors import Unavailable

FIRST_BACKOFF_SECONDS: Final = 0.1
LONGEST_BACKOFF_SECONDS: Final = 5.0

log = structlog.get_logger()


def backoff(failures: int) -> float:
    """Seconds to wait after so many failures in a row, the first being 0."""
    return min(math.ldexp(FIRST_BACKOFF_SECONDS, min(failures, 16)), LONGEST_BACKOFF_SECONDS)


class Periodic:
    """`step` answers in how many seconds it is due again; `wake` makes it due at once."""

    def __init__(self, name: str, step: Callable[[], Awaitable[float]]) -> None:
        self._name = name
        self._step = step
        self._woken = asyncio.Event()
        self._stopped = False
        self._failures = 0

    def wake(self) -> None:
        """Call the step now, or once more when it is being called."""
        self._woken.set()

    def stop(self) -> None:
        """No further calls. One that is under way is not disturbed."""
        self._stopped = True
        self.wake()

    async def run(self) -> None:
        """Until stopped or cancelled."""
        while not self._stopped:
            self._woken.clear()
            delay = await self._call()
            with suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._woken.wait()

    async def _call(self) -> float:
        try:
            delay = await self._step()
        except Exception as error:
            return self._failed(error)
        if self._failures:
            log.info(f"{self._name} works again", action=f"{self._name}.recovered", failures=self._failures)
            self._failures = 0
        return delay

    def _failed(self, error: Exception) -> float:
        """Of an outage only the beginning is told."""
        away = isinstance(error, Unavailable)
        if not (away and self._failures):
            cause = repr(error.__cause__ or error)
            log.warning(f"{self._name} failed", action=f"{self._name}.failed", error=cause, exc_info=not away)
        self._failures += 1
        return backoff(self._failures - 1)
