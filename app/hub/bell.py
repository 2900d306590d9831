"""A request that waits for news of a job: a subscription whose writer sends nothing, but rings.

So a wait is admitted, joined to the log, recovered and dismissed as a stream is, and no event is framed for it. Used by
`app/web/waiting.py`.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Final

from app.events import Event
from app.hub.subscription import Subscription
from app.hub.wire import Close, Message
from app.hub.writer import Writer

GATHER_SECONDS: Final = 0.5
"""How long progress gathers before it rings: a worker tells of it up to ten times a second."""

AT_ONCE: Final[Message] = {"type": "bell", "in_seconds": 0.0}
SOON: Final[Message] = {"type": "bell", "in_seconds": GATHER_SECONDS}
DISMISSED: Final[Message] = {"type": "bell.dismissed", "in_seconds": 0.0}


class BellWire:
    """Of events only how soon they are to be heard of."""

    def encode(self, events: Sequence[Event]) -> Message:
        return SOON if all(event.conflatable for event in events) else AT_ONCE

    def keep_alive(self) -> None:
        return None

    def farewell(self, close: Close, retry_ms: int | None) -> Message:
        return DISMISSED


BELL: Final = BellWire()


class Bell:
    """Rings once: `seconds` from now, or earlier at news of its job, with `only_end` at its end.

    `dismissed` tells that it rang because the process is stopping.
    """

    def __init__(self, seconds: float, *, only_end: bool) -> None:
        self.writer = Writer(BELL, self._hear, self._hang_up)
        self.subscription = Subscription(self.writer, self._ring)
        self.dismissed = False
        self._only_end = only_end
        self._loop = asyncio.get_running_loop()
        self._moment = self._loop.time() + seconds
        self._timeout: asyncio.Timeout | None = None

    async def rings_during(self, other: Awaitable[None]) -> bool:
        """Whether it rang before `other` was done, which is then cancelled. For one call."""
        try:
            async with asyncio.timeout_at(self._moment) as self._timeout:
                self.writer.open()
                await other
        except TimeoutError:
            return True
        return False

    async def _hear(self, message: Message) -> None:
        if message is DISMISSED:
            self._dismiss()
        elif not self._only_end:
            self._ring(message["in_seconds"])

    def _hang_up(self, _: Close) -> None:
        self._dismiss()

    def _dismiss(self) -> None:
        self.dismissed = True
        self._ring()

    def _ring(self, in_seconds: float = 0.0) -> None:
        """To wait is to await the client's leaving under a deadline; ringing brings the deadline forward."""
        self._moment = min(self._moment, self._loop.time() + in_seconds)
        if self._timeout and not self._timeout.expired():
            self._timeout.reschedule(self._moment)
