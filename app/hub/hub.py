"""The hub: takes what the bus brings, collects it per channel for a moment, and has it delivered to all watchers.

One per web process. It owns every task and timer of the fan-out. Who is connected at all is `attendance.py`'s.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Final, Protocol, TypeVar

import structlog

from app.errors import Unavailable
from app.events import Event
from app.hub.attendance import Attendance
from app.hub.batch import BatchChannel, Standing
from app.hub.channel import Channel
from app.hub.feed import Feed
from app.hub.history import History, SharedRead
from app.hub.overview import Overview
from app.hub.subscription import FeedEvent, FeedSubscription, Subscription
from app.hub.watched import Watched
from app.hub.writer import Writer
from app.store import BatchStore, Filter, JobStore, Listing
from app.store.batches import batch_channel
from app.store.jobs import feed_channel, job_channel
from app.store.views import TAG_SEPARATOR

log = structlog.get_logger()

WINDOW_SECONDS: Final = 0.003
"""How long frames collect when the bus is busy; when it is quiet they go out in the same turn of the loop."""

BUSY_EVENTS_PER_SECOND: Final = 1_000
RATE_SECONDS: Final = 0.1
CONFIRM_SECONDS: Final = 5.0


class Subscriber(Protocol):
    """The bus, as far as the hub needs it."""

    async def subscribe(self, channel: str) -> None: ...

    def unsubscribe(self, channel: str) -> None: ...


W = TypeVar("W", bound=Watched)


class Hub:
    """Channels by their name on the bus."""

    def __init__(
        self,
        jobs: JobStore,
        listing: Listing,
        batches: BatchStore,
        *,
        base_url: str,
        attendance: Attendance,
    ) -> None:
        self._jobs = jobs
        self._listing = listing
        self._batch_store = batches
        self._base_url = base_url
        self._bus: Subscriber
        self._channels: dict[str, Channel] = {}
        self._feeds: dict[str, Feed] = {}
        self._batches: dict[str, BatchChannel] = {}
        self._dirty: dict[Watched, None] = {}
        self._flush_handle: asyncio.Handle | None = None
        self._flushed_at = 0.0
        self._rate = 0.0
        self._tasks: set[asyncio.Task[Any]] = set()
        self.attendance = attendance

    def connect(self, bus: Subscriber) -> None:
        """Where to subscribe; the bus in turn calls `publish` and `missed`."""
        self._bus = bus

    # What the bus brings

    def publish(self, name: str, payload: bytes) -> None:
        """One message of a channel, as `app/store/lua/parts/record.lua` writes it."""
        if channel := self._channels.get(name):
            channel.accept(_event(channel.job_id, payload.split(b"\n", 3)))
            self._dirty[channel] = None
        elif feed := self._feeds.get(name):
            job_id, kind, tags, *rest = payload.split(b"\n", 6)
            words = tuple(filter(None, tags.decode().split(TAG_SEPARATOR)))
            feed.accept(FeedEvent(_event(job_id.decode(), rest), kind.decode(), words))
            self._dirty[feed] = None
        elif batch := self._batches.get(name):
            batch.accept()
            self._dirty[batch] = None
        if self._dirty and self._flush_handle is None:
            self._flush_handle = self._schedule()

    def missed(self) -> None:
        """The bus was away and is back: every channel looks into the log."""
        for channel in self._all():
            channel.missed()

    def _schedule(self) -> asyncio.Handle:
        loop = asyncio.get_running_loop()
        if self._rate < BUSY_EVENTS_PER_SECOND:
            return loop.call_soon(self._flush)
        return loop.call_at(max(loop.time(), self._flushed_at + WINDOW_SECONDS), self._flush)

    def _flush(self) -> None:
        self._flush_handle = None
        now = asyncio.get_running_loop().time()
        dirty, self._dirty = self._dirty, {}
        for channel in dirty:
            self._deliver(channel, now)
        elapsed = max(now - self._flushed_at, 1e-6)
        self._rate += (len(dirty) / elapsed - self._rate) * min(1.0, elapsed / RATE_SECONDS)
        self._flushed_at = now

    def _deliver(self, channel: Watched, now: float) -> None:
        """What goes wrong in one channel must not cost the others; its own watchers look into the log."""
        try:
            channel.deliver(now)
        except Exception:
            log.exception("channel failed", action="channel.failed")
            channel.missed()

    # Who watches

    async def watch(self, job_id: str, subscription: Subscription) -> Channel:
        """From its return on no event of the job is missed; `unwatch` ends it. Raises Unavailable."""

        def made() -> Channel:
            return Channel(job_id, SharedRead(self._history_of(job_id), self.spawn), self.spawn)

        return await self._watched(self._channels, job_channel(job_id), made, subscription)

    def unwatch(self, job_id: str, subscription: Subscription) -> None:
        """Nothing more is sent to it."""
        self._unwatched(self._channels, job_channel(job_id), subscription)

    async def watch_feed(self, owner: str, subscription: FeedSubscription) -> Feed:
        """From its return on no event of the owner's jobs is missed; `unwatch_feed` ends it. Raises Unavailable."""

        def made() -> Feed:
            return Feed(owner, self._listing, self._jobs, self._base_url, self.spawn)

        return await self._watched(self._feeds, feed_channel(owner), made, subscription)

    def unwatch_feed(self, owner: str, subscription: FeedSubscription) -> None:
        """Nothing more is sent to it."""
        self._unwatched(self._feeds, feed_channel(owner), subscription)

    def overview(self, owner: str, writer: Writer, wanted: Filter) -> Overview:
        """The feed of an owner, or of EVERYBODY, for one watcher."""
        return Overview(self, owner, writer, wanted)

    async def owners(self) -> list[str]:
        """Those there are. Raises Unavailable."""
        return await self._listing.owners()

    async def watch_batch(self, batch_id: str, subscription: Subscription) -> BatchChannel:
        """From its return on no change of the batch is missed; `unwatch_batch` ends it. Raises Unavailable."""

        def made() -> BatchChannel:
            return BatchChannel(batch_id, SharedRead(self._standing_of(batch_id), self.spawn), self.spawn)

        return await self._watched(self._batches, batch_channel(batch_id), made, subscription)

    def unwatch_batch(self, batch_id: str, subscription: Subscription) -> None:
        """Nothing more is sent to it."""
        self._unwatched(self._batches, batch_channel(batch_id), subscription)

    async def _watched(self, there: dict[str, W], name: str, made: Callable[[], W], subscription: object) -> W:
        channel = there.get(name)
        if channel is None:
            channel = there[name] = made()
        channel.attach(subscription)
        await self._confirmed(name)
        return channel

    def _unwatched(self, there: dict[str, W], name: str, subscription: object) -> None:
        if channel := there.get(name):
            channel.detach(subscription)
            if channel.empty:
                del there[name]
                self._dirty.pop(channel, None)
                self._bus.unsubscribe(name)

    def waiting(self) -> set[str]:
        """The jobs that are watched, alone or in a feed, and pending."""
        waiting = {channel.job_id for channel in self._channels.values() if channel.pending}
        return waiting.union(*(feed.waiting for feed in self._feeds.values()))

    async def _confirmed(self, name: str) -> None:
        try:
            async with asyncio.timeout(CONFIRM_SECONDS):
                await self._bus.subscribe(name)
        except TimeoutError:
            raise Unavailable("Redis does not answer.", headers={"Retry-After": "5"}) from None

    def _all(self) -> list[Watched]:
        return [*self._channels.values(), *self._feeds.values(), *self._batches.values()]

    def _history_of(self, job_id: str) -> Callable[[int | None], Awaitable[History | None]]:
        async def read(after: int | None) -> History | None:
            view = await self._jobs.read(job_id, after=after)
            return History(view, self._base_url) if view else None

        return read

    def _standing_of(self, batch_id: str) -> Callable[[int | None], Awaitable[Standing | None]]:
        async def read(_: int | None) -> Standing | None:
            batch = await self._batch_store.read(batch_id)
            return Standing(batch, self._base_url) if batch else None

        return read

    # Life

    async def run(self) -> None:
        """The one timer behind all keep-alives and ages, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(1)
            now = loop.time()
            self.attendance.end_old(now)
            await self.attendance.keep_alive(now)

    async def close(self) -> None:
        """Stop the tasks that are still re-reading."""
        if self._flush_handle:
            self._flush_handle.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """A task that ends with the hub at the latest."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _event(job_id: str, parts: Sequence[bytes]) -> Event:
    seq, at, kind, data = parts
    return Event(job_id, int(seq), kind.decode(), int(at), data.decode())
