"""All jobs of one owner on one stream: a snapshot of each active job, then whatever happens, progress thinned out.

A feed has no seq of its own; each job's seq orders its events.
"""

import asyncio
from typing import Final

import structlog

from app.hub.history import Spawn
from app.hub.subscription import FeedEvent, FeedSubscription
from app.hub.thinner import Thinner
from app.jobs import Job
from app.store import JobStore, Listing

MOST_SNAPSHOTS: Final = 1_000
RETRY_SECONDS: Final = 1.0

log = structlog.get_logger()


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
        self._thinner = Thinner(loop, self._send)
        self._generation = 0  # counts the times that something may have been missed
        self._refreshing = False

    @property
    def empty(self) -> bool:
        """Whether nobody watches."""
        return not self._subscriptions

    def attach(self, subscription: FeedSubscription) -> None:
        """From now on events are held for it, until it joins."""
        subscription.generation = self._generation
        self._subscriptions[subscription] = None

    def detach(self, subscription: FeedSubscription) -> None:
        """It watches no more; none of ours is fine."""
        self._subscriptions.pop(subscription, None)

    async def active(self) -> list[Job]:
        """The jobs a new watcher gets snapshots of. Raises Unavailable."""
        return await self._listing.active(self._owner, MOST_SNAPSHOTS)

    async def join(self, subscription: FeedSubscription, jobs: list[Job]) -> None:
        """Send the snapshots of the active jobs, then let the live events through."""
        for job in jobs:
            self._seqs.setdefault(job.job_id, job.seq)
        await subscription.send(subscription.snapshots(jobs, self._base_url))
        subscription.release(jobs)
        subscription.joined = True
        if subscription.generation != self._generation:
            self.missed()

    def accept(self, event: FeedEvent) -> None:
        """One event from the bus, to be delivered with the others of this turn."""
        self._pending.append(event)

    def deliver(self, now: float) -> None:
        """Send this turn's events."""
        pending, self._pending = self._pending, []
        self._send(self._thinner.thin(pending, now))

    def keep_alive(self, now: float) -> None:
        """A word into the silence, so that no proxy takes it for the end."""
        self.quiet_since = now
        for subscription in self._subscriptions:
            message = subscription.writer.wire.keep_alive()
            if message is not None and subscription.joined:
                subscription.writer.write(message)

    def missed(self) -> None:
        """The bus was away: everybody gets the jobs afresh, those among them that have ended meanwhile."""
        self._generation += 1
        if not self._refreshing:
            self._refreshing = True
            self._spawn(self._refresh())

    def close(self) -> None:
        """Nobody watches any more."""
        self._thinner.clear()

    def _send(self, batch: list[FeedEvent]) -> None:
        if not batch:
            return
        self.quiet_since = asyncio.get_running_loop().time()
        for item in batch:
            if item.event.ends:
                self._seqs.pop(item.event.job_id, None)
            else:
                self._seqs[item.event.job_id] = item.event.seq
        for subscription in self._subscriptions:
            subscription.write(batch)

    async def _refresh(self) -> None:
        try:
            generation = -1
            while generation != self._generation and not self.empty:
                generation = self._generation
                if not await self._read_afresh():
                    generation = -1
                    await asyncio.sleep(RETRY_SECONDS)
        finally:
            self._refreshing = False

    async def _read_afresh(self) -> bool:
        """Who has not joined yet is reading for itself. False when that did not work out."""
        joined = [subscription for subscription in self._subscriptions if subscription.joined]
        for subscription in joined:
            subscription.hold()
        try:
            active = {job.job_id: job for job in await self.active()}
            ended = await self._jobs.read_many([job_id for job_id in self._seqs if job_id not in active])
        except Exception as error:  # Redis is away, or worse; without the jobs the watchers would wait for ever
            log.warning("jobs not read", action="feed.recovering", owner=self._owner, error=repr(error))
            return False
        jobs = [*active.values(), *ended]
        self._seqs = {job.job_id: job.seq for job in active.values()}
        self._thinner.clear()
        for subscription in joined:
            subscription.writer.write_events(subscription.snapshots(jobs, self._base_url, reset=True))
            subscription.release(jobs)
        return True
