"""All jobs of one owner on one stream: a snapshot of each active job, then whatever happens, progress thinned out.

A feed has no seq of its own; each job's seq orders its events.
"""

import asyncio
from typing import Final

import structlog

from app.events import Event
from app.hub.attendance import moment
from app.hub.history import Spawn
from app.hub.snapshots import Snapshots
from app.hub.subscription import FeedEvent, FeedSubscription
from app.hub.thinner import Thinner
from app.hub.wire import Close
from app.jobs import STATUSES, Job, Status
from app.store import JobStore, Listing

MOST_SNAPSHOTS: Final = 1_000
MOST_AFRESH: Final = 2_000
"""Where more jobs may have been missed, they are not told of: who watches begins anew."""

RETRY_SECONDS: Final = 1.0

log = structlog.get_logger()


class Feed:
    """One owner's. `spawn` runs a task the hub owns."""

    def __init__(self, owner: str, listing: Listing, jobs: JobStore, base_url: str, spawn: Spawn) -> None:
        self._owner = owner
        self._listing = listing
        self._jobs = jobs
        self._base_url = base_url
        self._spawn = spawn
        self._subscriptions: dict[FeedSubscription, None] = {}
        self._pending: list[FeedEvent] = []
        self._live: set[str] = set()
        self.waiting: set[str] = set()  # those of them that are pending
        self._unsure: set[str] = set()  # jobs of which something may have been missed
        self._thinner = Thinner(asyncio.get_running_loop(), self._send)
        self._generation = 0  # counts the times that something may have been missed
        self._refreshing = False
        self._outdated = False  # what is being read

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
        if self.empty:
            self._thinner.clear()

    async def active(self, most: int = MOST_SNAPSHOTS) -> list[Job]:
        """The jobs a new watcher gets snapshots of, the newest. Raises Unavailable."""
        return await self._listing.active(self._owner, most)

    async def join(self, subscription: FeedSubscription, jobs: list[Job]) -> None:
        """Send the snapshots of the active jobs, then let the live events through."""
        self._remember(jobs)
        await self._tell(subscription, Snapshots(jobs, self._base_url))

    def accept(self, event: FeedEvent) -> None:
        """One event from the bus, to be delivered with the others of this turn."""
        self._pending.append(event)

    def deliver(self, now: float) -> None:
        """Send this turn's events."""
        pending, self._pending = self._pending, []
        self._send(self._thinner.thin(pending, now))

    def missed(self) -> None:
        """The bus was away: everybody gets the jobs afresh, those among them that have ended meanwhile."""
        self._generation += 1
        for subscription in self._subscriptions:
            if subscription.joined:
                subscription.hold()
        self._tell_afresh(self._live)

    def _send(self, batch: list[FeedEvent]) -> None:
        if not batch:
            return
        for item in batch:
            self._note(item.event)
        for subscription in self._subscriptions:
            subscription.write(batch)

    def _note(self, event: Event) -> None:
        self._live.add(event.job_id)
        if event.type in STATUSES:
            self.waiting.discard(event.job_id)
        if event.type == Status.PENDING:
            self.waiting.add(event.job_id)
        if event.ends:
            self._live.discard(event.job_id)

    def _tell_afresh(self, unsure: set[str]) -> None:
        self._unsure |= unsure
        self._outdated = True
        if not self._refreshing:
            self._refreshing = True
            self._spawn(self._refresh())

    async def _refresh(self) -> None:
        """Nothing is told of a reading that another outage has overtaken."""
        try:
            while not self.empty:
                if len(self._unsure) > MOST_AFRESH:
                    return self._begin_anew()
                self._outdated = False
                jobs = await self._read()
                if jobs is None:
                    await asyncio.sleep(RETRY_SECONDS)
                elif not self._outdated:
                    return self._tell_all(jobs)
        finally:
            self._refreshing = False

    async def _read(self) -> list[Job] | None:
        """The active jobs, and what became of the others we knew. None when that did not work out."""
        try:
            active = {job.job_id: job for job in await self.active()}
            others = self._unsure - active.keys()
            rest = await self._jobs.read_many(sorted(others))
        except Exception as error:  # Redis is away, or worse; without the jobs the watchers would wait for ever
            log.warning("jobs not read", action="feed.recovering", owner=self._owner, error=repr(error))
            return None
        jobs = [*active.values(), *rest]
        self._live -= others
        self.waiting &= self._live
        self._remember(jobs)
        return jobs

    def _remember(self, jobs: list[Job]) -> None:
        """Those that were live when they were read, and have not ended since: that is held for whom they were read."""
        ended = {job_id for subscription in self._subscriptions for job_id in subscription.ended}
        self._live |= {job.job_id for job in jobs if not job.ended} - ended
        self.waiting |= {job.job_id for job in jobs if job.status is Status.PENDING} & self._live

    def _tell_all(self, jobs: list[Job]) -> None:
        """Who has not joined yet is reading for itself."""
        self._unsure.clear()
        self._thinner.clear()
        snapshots = Snapshots(jobs, self._base_url, reset=True)
        for subscription in self._subscriptions:
            if subscription.joined and subscription.holding:
                subscription.joined = False
                subscription.generation = self._generation
                self._spawn(self._tell_again(subscription, snapshots))

    async def _tell_again(self, subscription: FeedSubscription, snapshots: Snapshots) -> None:
        try:
            await self._tell(subscription, snapshots)
        except Exception as error:  # most likely the client is gone
            log.debug("client gone", action="feed.lost", error=repr(error))
            subscription.writer.close(Close.RESTARTING)

    async def _tell(self, subscription: FeedSubscription, snapshots: Snapshots) -> None:
        """As fast as the client reads.

        If the bus was away meanwhile, what is held follows on something that got lost: it is told afresh first.
        """
        writer = subscription.writer
        for message in snapshots.messages(writer.wire, subscription.wanted):
            if subscription in self._subscriptions:
                await writer.send(message)
        if subscription not in self._subscriptions:
            return
        subscription.see(snapshots.jobs)
        subscription.joined = True
        if subscription.generation == self._generation:
            subscription.release()
        else:
            self._tell_afresh({job.job_id for job in snapshots.jobs})

    def _begin_anew(self) -> None:
        for known in (self._live, self.waiting, self._unsure):
            known.clear()
        self._thinner.clear()
        for subscription in self._subscriptions:
            subscription.writer.finish(Close.COME_BACK, retry_ms=moment())
