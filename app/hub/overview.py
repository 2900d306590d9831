"""The feed as one watcher follows it: its owner's, or everybody's, which is the feeds of all owners over one writer.

Nothing is published for operators apart, so jobs cost no more because there might be one. Owners that turn up while
everybody's feed is watched are found by looking once a second, and those without jobs are left.
"""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import structlog

from app.errors import Unavailable
from app.hub.feed import MOST_SNAPSHOTS, Feed
from app.hub.subscription import FeedSubscription
from app.hub.writer import Writer
from app.jobs import EVERYBODY, Job
from app.store import Filter
from app.store.listing import MOST_OWNERS

if TYPE_CHECKING:
    from app.hub.hub import Hub

LOOK_SECONDS: Final = 1.0

log = structlog.get_logger()


class Overview:
    """`owner` may be EVERYBODY. Made by the hub; `close` ends it, whatever came of the rest."""

    def __init__(self, hub: "Hub", owner: str, writer: Writer, wanted: Filter) -> None:
        self._hub = hub
        self._owner = owner
        self._writer = writer
        self._wanted = wanted
        self._watched: dict[str, FeedSubscription] = {}
        self._joining: list[tuple[Feed, FeedSubscription, list[Job]]] = []
        self._newcomers: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """From its return on nothing is missed of the owners there are. Raises Unavailable."""
        await self._watch([self._owner] if self._owner != EVERYBODY else await self._hub.owners())

    async def join(self) -> None:
        """Send the snapshots of the active jobs, a thousand at most, then let the live events through."""
        await self._join()
        if self._owner == EVERYBODY:
            self._newcomers = self._hub.spawn(self._follow())

    def close(self) -> None:
        """Nothing more is sent."""
        if self._newcomers:
            self._newcomers.cancel()
        for owner in list(self._watched):
            self._drop(owner)
        self._joining.clear()

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self._look()
                await self._join()
            except Unavailable as error:
                log.warning("owners not read", action="overview.recovering", error=str(error))
            except OSError:  # the connection is over
                return

    async def _look(self) -> None:
        owners = await self._hub.owners()
        if len(owners) < MOST_OWNERS:  # else some are not named
            for gone in self._watched.keys() - set(owners):
                self._drop(gone)
        newcomers = [owner for owner in owners if owner not in self._watched]
        await self._watch(newcomers[: MOST_OWNERS - len(self._watched)])

    async def _watch(self, owners: Sequence[str]) -> None:
        most = max(1, MOST_SNAPSHOTS // max(1, len(owners) + len(self._watched)))
        for owner in owners:
            subscription = self._watched[owner] = FeedSubscription(self._writer, self._wanted)
            try:
                feed = await self._hub.watch_feed(owner, subscription)
                self._joining.append((feed, subscription, await feed.active(most)))
            except Unavailable:
                self._drop(owner)
                raise

    async def _join(self) -> None:
        while self._joining:
            feed, subscription, jobs = self._joining.pop()
            await feed.join(subscription, jobs)

    def _drop(self, owner: str) -> None:
        self._hub.unwatch_feed(owner, self._watched.pop(owner))
