"""All who watch in a stress run: wanderers, multiplexed sockets, pollers, readers of the feed. Made by `run.py`."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any, Final, Self

import httpx

from tests.faults.watcher import Watcher
from tests.stress.feedreader import FeedReader
from tests.stress.multiplexer import Multiplexer
from tests.stress.plan import Submit
from tests.stress.poller import Poller
from tests.stress.verdict import Connection, Polled, Seen
from tests.stress.wanderer import Wanderer

MULTIPLEXERS: Final = 3
FEED_READERS: Final = 2


class Audience:
    """Begins when made, leaves with the block. From `calm` on nobody hangs up or stops reading of his own accord."""

    def __init__(self, ports: Callable[[], Sequence[int]], client: httpx.AsyncClient, seed: int) -> None:
        self._ports = ports
        self._client = client
        self._random = Random(f"{seed} audience")
        self._calm = asyncio.Event()
        self._wanderers: list[Wanderer] = []
        self._pollers: list[Poller] = []
        self._multiplexers = [Multiplexer(ports, f"{seed} multiplexed {n}", self._calm) for n in range(MULTIPLEXERS)]
        self._feeds = [FeedReader(ports, f"{seed} feed {n}", self._calm) for n in range(FEED_READERS)]
        self._lasting = [
            *(asyncio.create_task(each.run()) for each in self._multiplexers),
            *(asyncio.create_task(each.run()) for each in self._feeds),
        ]
        self._following: list[tuple[Wanderer | Poller, asyncio.Task[None]]] = []

    def watch(self, submit: Submit, job_id: str) -> None:
        """As the plan has it for that job."""
        for watch in submit.watches:
            self._wanderers.append(Wanderer(job_id, self._ports, watch, self._calm))
            self._follow(self._wanderers[-1])
        if submit.polled:
            self._pollers.append(Poller(job_id, self._ports, self._client))
            self._follow(self._pollers[-1])
        if submit.multiplexed:
            self._random.choice(self._multiplexers).watch(job_id)

    def calm(self) -> None:
        """No more caprices."""
        self._calm.set()

    @property
    def waiting(self) -> list[str]:
        """The watches that have not come to their end, when all jobs have."""
        return list(self._waiting())

    def _waiting(self) -> Iterator[str]:
        for follower, task in self._following:
            if not task.done():
                yield f"{follower} of {follower.job_id} at {follower.seqs[-1:]}"
        for multiplexer in self._multiplexers:
            yield from (f"multiplexed {job_id}" for job_id in multiplexer.pending)
        for feed in self._feeds:
            if not feed.settled:
                yield "feed"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Hang up."""
        tasks = [*self._lasting, *(task for _, task in self._following)]
        for task in tasks:
            task.cancel()
        for end in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(end, Exception):
                raise end

    # What they have seen

    @property
    def seen(self) -> list[Seen]:
        """By who watched single jobs."""
        wanderers = [_seen(str(each), each) for each in self._wanderers]
        return wanderers + [_seen("multiplexed", each) for m in self._multiplexers for each in m.watchers.values()]

    @property
    def feeds(self) -> list[Connection]:
        """By each connection to the feed."""
        return [
            Connection([_told(event) for event in events], last=feed.connected and events is feed.connections[-1])
            for feed in self._feeds
            for events in feed.connections
        ]

    @property
    def polled(self) -> list[Polled]:
        """By who asked."""
        return [Polled(each.job_id, each.seqs, each.statuses) for each in self._pollers]

    @property
    def refusals(self) -> list[str]:
        """What a watcher of an accepted job should never have been answered."""
        return list(self._refusals())

    def _refusals(self) -> Iterator[str]:
        for wanderer in self._wanderers:
            yield from (f"watcher of {wanderer.job_id}: {refusal}" for refusal in wanderer.refusals)
        for poller in self._pollers:
            yield from (f"poller of {poller.job_id}: {refusal}" for refusal in poller.refusals)
        for multiplexer in self._multiplexers:
            yield from multiplexer.refusals
        for feed in self._feeds:
            yield from feed.refusals

    def _follow(self, follower: Wanderer | Poller) -> None:
        self._following.append((follower, asyncio.create_task(follower.follow())))


def _seen(by: str, watcher: Watcher) -> Seen:
    return Seen(by, watcher.job_id, [(event["seq"], event["type"]) for event in watcher.events])


def _told(event: dict[str, Any]) -> tuple[str, int, str, bool]:
    return event["job_id"], event["seq"], event["type"], event.get("reset", False)
