"""All jobs of one owner on one stream: a snapshot of each active job, then whatever happens, progress thinned out.

A feed has no seq of its own; each job's seq orders its events. So a watcher carries, per job, the seq its snapshots
reached, until the live events have passed it.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from app.errors import Unavailable
from app.events import Event, snapshot
from app.hub.channel import Spawn
from app.hub.writer import Writer
from app.jobs import STATUSES, Job, Status
from app.store import Filter, JobStore, Listing

PROGRESS_INTERVAL_SECONDS: Final = 0.5
MOST_SNAPSHOTS: Final = 1_000
RETRY_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """An event with what filters ask of its job."""

    event: Event
    kind: str
    tags: tuple[str, ...]

    def fits(self, wanted: Filter) -> bool:
        """Whether a watcher with that filter is told."""
        kind = self.event.type
        return wanted.fits_words(kind if kind in STATUSES else Status.PROCESSING, self.kind, self.tags)


class FeedSubscription:
    """One client's watch of the feed. `seen` is None until its snapshots have been sent."""

    def __init__(self, writer: Writer, wanted: Filter) -> None:
        self.writer = writer
        self.wanted = wanted
        self._seen: dict[str, int] | None = None
        self._held: list[FeedEvent] = []

    def join(self, jobs: Iterable[Job], base_url: str, *, reset: bool = False) -> None:
        """Send the snapshots, then what came meanwhile."""
        jobs = [job for job in jobs if self.wanted.fits(job)]
        self._seen = {job.job_id: job.seq for job in jobs}
        shown = [snapshot(j.job_id, j.seq, j.updated_at, j.shown(base_url), reset=reset) for j in jobs]
        self.writer.write_events(shown)
        held, self._held = self._held, []
        self.write(held)

    def write(self, batch: Sequence[FeedEvent]) -> None:
        """Send those of the events that fit and are new."""
        if self._seen is None:
            self._held.extend(batch[: MOST_SNAPSHOTS * 10 - len(self._held)])
        else:
            self.writer.write_events([e.event for e in batch if e.fits(self.wanted) and self._is_new(e.event)])

    def _is_new(self, event: Event) -> bool:
        assert self._seen is not None
        if event.seq <= self._seen.get(event.job_id, 0):
            return False
        self._seen.pop(event.job_id, None)
        return True


class Feed:
    """One owner's. `spawn` runs a task the hub owns."""

    def __init__(self, owner: str, listing: Listing, jobs: JobStore, base_url: str, spawn: Spawn) -> None:
        loop = asyncio.get_running_loop()
        self.quiet_since = loop.time()
        self._owner = owner
        self._listing = listing
        self._jobs = jobs
        self._base_url = base_url
        self._spawn = spawn
        self._subscriptions: dict[FeedSubscription, None] = {}
        self._pending: list[FeedEvent] = []
        self._seqs: dict[str, int] = {}
        self._thinner = Thinner(loop, self._flush)

    @property
    def empty(self) -> bool:
        """Whether nobody watches."""
        return not self._subscriptions

    def attach(self, subscription: FeedSubscription) -> None:
        """From now on events are held for it, until it joins."""
        self._subscriptions[subscription] = None

    def detach(self, subscription: FeedSubscription) -> None:
        """It watches no more; none of ours is fine."""
        self._subscriptions.pop(subscription, None)

    async def active(self) -> list[Job]:
        """The jobs a new watcher gets snapshots of. Raises Unavailable."""
        return await self._listing.active(self._owner, MOST_SNAPSHOTS)

    def join(self, subscription: FeedSubscription, jobs: Sequence[Job]) -> None:
        """Send the snapshots of the active jobs, then let the live events through."""
        for job in jobs:
            self._seqs.setdefault(job.job_id, job.seq)
        subscription.join(jobs, self._base_url)

    def accept(self, event: FeedEvent) -> None:
        """One event from the bus, to be delivered with the others of this turn."""
        self._pending.append(event)

    def deliver(self, now: float) -> int:
        """Send this turn's events. Returns how many messages that were."""
        pending, self._pending = self._pending, []
        return self._send(self._thinner.thin(pending, now), now)

    def keep_alive(self, now: float) -> None:
        """A word into the silence, so that no proxy takes it for the end."""
        self.quiet_since = now
        for subscription in self._subscriptions:
            message = subscription.writer.wire.keep_alive()
            if message is not None:
                subscription.writer.write(message)

    def missed(self) -> None:
        """The bus was away: everybody gets the jobs afresh, those among them that have ended meanwhile."""
        self._spawn(self._afresh())

    def close(self) -> None:
        """Nobody watches any more."""
        self._thinner.close()

    def _flush(self, batch: list[FeedEvent]) -> None:
        self._send(batch, asyncio.get_running_loop().time())

    def _send(self, batch: list[FeedEvent], now: float) -> int:
        if not batch:
            return 0
        self.quiet_since = now
        for item in batch:
            if item.event.ends:
                self._seqs.pop(item.event.job_id, None)
            else:
                self._seqs[item.event.job_id] = item.event.seq
        for subscription in self._subscriptions:
            subscription.write(batch)
        return len(self._subscriptions)

    async def _afresh(self) -> None:
        while not self.empty:
            try:
                active = {job.job_id: job for job in await self.active()}
                ended = await self._jobs.read_many([job_id for job_id in self._seqs if job_id not in active])
            except Unavailable:
                await asyncio.sleep(RETRY_SECONDS)
                continue
            self._seqs = {job_id: job.seq for job_id, job in active.items()}
            for subscription in self._subscriptions:
                subscription.join([*active.values(), *ended], self._base_url, reset=True)
            return


class Thinner:
    """Lets a job's progress through at most twice a second; of what comes between only the latest, a little later."""

    def __init__(self, loop: asyncio.AbstractEventLoop, flush: Callable[[list[FeedEvent]], None]) -> None:
        self._loop = loop
        self._flush = flush
        self._last: dict[str, float] = {}
        self._kept: dict[str, FeedEvent] = {}
        self._timer: asyncio.TimerHandle | None = None

    def thin(self, items: Iterable[FeedEvent], now: float) -> list[FeedEvent]:
        """What goes out now, in order. A kept progress goes before the event that follows it, at the end not at all."""
        passed: list[FeedEvent] = []
        for item in items:
            job_id = item.event.job_id
            if item.event.conflatable and now - self._last.get(job_id, 0) < PROGRESS_INTERVAL_SECONDS:
                self._keep(item)
                continue
            kept = self._kept.pop(job_id, None)
            if item.event.conflatable:
                self._last[job_id] = now
            elif item.event.ends:
                self._last.pop(job_id, None)
            elif kept:
                passed.append(kept)
            passed.append(item)
        return passed

    def close(self) -> None:
        """Nothing more is to go out."""
        if self._timer:
            self._timer.cancel()

    def _keep(self, item: FeedEvent) -> None:
        self._kept[item.event.job_id] = item
        self._timer = self._timer or self._loop.call_later(PROGRESS_INTERVAL_SECONDS, self._release)

    def _release(self) -> None:
        self._timer = None
        now = self._loop.time()
        kept, self._kept = list(self._kept.values()), {}
        self._last |= dict.fromkeys((item.event.job_id for item in kept), now)
        self._flush(kept)
