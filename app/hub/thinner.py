"""Lets a job's progress into the feed at most twice a second. Used by `app/hub/feed.py`, one per feed."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from app.hub.subscription import FeedEvent

PROGRESS_INTERVAL_SECONDS: Final = 0.5


class Thinner:
    """Of what comes between only the latest goes out, a little later, unless something else has overtaken it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, flush: Callable[[list[FeedEvent]], None]) -> None:
        self._loop = loop
        self._flush = flush
        self._last: dict[str, float] = {}
        self._kept: dict[str, FeedEvent] = {}
        self._timer: asyncio.TimerHandle | None = None

    def thin(self, items: Iterable[FeedEvent], now: float) -> list[FeedEvent]:
        """What goes out now, in order."""
        return [item for item in items if self._passes(item, now)]

    def clear(self) -> None:
        """Nothing more is to go out, and what went out is forgotten."""
        if self._timer:
            self._timer.cancel()
        self._timer = None
        self._last.clear()
        self._kept.clear()

    def _passes(self, item: FeedEvent, now: float) -> bool:
        job_id = item.event.job_id
        if not item.event.conflatable:
            self._kept.pop(job_id, None)  # older than this event, and half a second newer than what was told
            if item.event.ends:
                self._last.pop(job_id, None)
            return True
        if now - self._last.get(job_id, 0) >= PROGRESS_INTERVAL_SECONDS:
            self._kept.pop(job_id, None)  # where the timer is late, it is older as well
            self._last[job_id] = now
            return True
        self._kept[job_id] = item
        self._timer = self._timer or self._loop.call_later(PROGRESS_INTERVAL_SECONDS, self._release)
        return False

    def _release(self) -> None:
        self._timer = None
        now = self._loop.time()
        kept, self._kept = list(self._kept.values()), {}
        self._last |= dict.fromkeys((item.event.job_id for item in kept), now)
        self._flush(kept)
