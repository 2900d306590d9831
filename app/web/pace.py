"""How long a body is waited for. Only time in which nothing of it is there counts: when we are slow, nobody else is to
blame. Used by `app/web/body.py`.
"""

import asyncio
import math
from collections.abc import Awaitable

from starlette.types import Message

from app.errors import RequestTimeout


class Pace:
    """Of one body. It is given up after `silence_seconds` without a byte, after `whole_seconds` in all, and when for as
    long as a silence may last it has brought fewer than `bytes_per_second`."""

    def __init__(self, silence_seconds: float, *, whole_seconds: float = math.inf, bytes_per_second: int = 0) -> None:
        self._silence_seconds = silence_seconds
        self._whole_seconds = self._left = whole_seconds
        self._bytes_per_second = bytes_per_second
        self._waited = 0.0
        self._came = 0

    def came(self, length: int) -> None:
        """So many bytes."""
        self._came += length

    async def wait_for(self, receiving: Awaitable[Message]) -> Message:
        """What comes next. Raises RequestTimeout."""
        self._check_rate()
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(min(self._silence_seconds, self._left)):
                return await receiving
        except TimeoutError:
            late = self._left <= self._silence_seconds
            raise _too_late(
                f"It has not come whole in {self._whole_seconds:g} s."
                if late
                else f"Nothing came for {self._silence_seconds:g} s."
            ) from None
        finally:
            took = loop.time() - began
            self._waited += took
            self._left = max(0.0, self._left - took)

    def _check_rate(self) -> None:
        if self._waited < self._silence_seconds:
            return
        if self._came < self._bytes_per_second * self._waited:
            raise _too_late(f"It must bring {self._bytes_per_second} bytes a second.")
        self._waited, self._came = 0.0, 0


def _too_late(detail: str) -> RequestTimeout:
    return RequestTimeout(detail, headers={"Connection": "close"})
