"""The feed over an outage of the bus: nothing that follows on what got lost is told before the jobs are told afresh."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from app.events import Event, json_text
from app.hub import Close, feed
from app.hub.feed import Feed
from app.hub.subscription import FeedEvent, FeedSubscription
from app.jobs import Job
from app.store import Filter, JobStore, Listing, Run
from tests.ground import OWNER, accepted, completed, log, running
from tests.watching import Client, until


class HeldListing(Listing):
    """Answers what it has read only when it may."""

    def __init__(self, redis: Redis, jobs: JobStore) -> None:
        super().__init__(redis, jobs)
        self.may = asyncio.Event()
        self.may.set()
        self.asked = 0

    async def active(self, owner: str, limit: int) -> list[Job]:
        found = await super().active(owner, limit)
        self.asked += 1
        await self.may.wait()
        return found


class Scene:
    """A feed with one watcher and one running job. Nothing comes from Redis by itself: `bring` is the bus."""

    def __init__(self, redis: Redis, jobs: JobStore, run: Run) -> None:
        self.jobs = jobs
        self.run = run
        self.client = Client()
        self.subscription = FeedSubscription(self.client.writer, Filter())
        self.listing = HeldListing(redis, jobs)
        self.tasks: set[asyncio.Task[object]] = set()
        self.feed = Feed(OWNER, self.listing, jobs, "", self._spawn)
        self.feed.attach(self.subscription)

    async def join(self) -> None:
        await self.feed.join(self.subscription, await self.feed.active())

    async def happens(self, *, heard: bool = False) -> int:
        """Something is logged; its seq. What is not heard on the bus got lost there."""
        seq, _ = await self.jobs.apply(self.run.job_id, [log("x")], token=self.run.token)
        if heard:
            data = json_text({"level": "info", "line": "x"})
            self.feed.accept(FeedEvent(Event(self.run.job_id, seq, "log", 0, data), "k", ()))
        return seq

    async def ends(self) -> None:
        seq, _ = await self.jobs.apply(self.run.job_id, [completed()], token=self.run.token)
        self.feed.accept(FeedEvent(Event(self.run.job_id, seq, "completed", 0, "{}"), "k", ()))

    def deliver(self) -> None:
        self.feed.deliver(asyncio.get_running_loop().time())

    @property
    def told(self) -> list[tuple[str, int, bool]]:
        return told(self.client)

    def _spawn(self, work: object) -> "asyncio.Task[object]":
        task = asyncio.ensure_future(work)  # type: ignore[call-overload]  # a coroutine
        self.tasks.add(task)
        return task  # type: ignore[no-any-return]  # of that coroutine


def told(client: Client) -> list[tuple[str, int, bool]]:
    """Type, seq and whether it is told afresh."""
    return [(event["type"], event["seq"], event.get("reset", False)) for event in client.events]


@pytest.fixture
async def scene(redis: Redis, jobs: JobStore) -> AsyncIterator[Scene]:
    scene = Scene(redis, jobs, await running(jobs))
    yield scene
    await asyncio.gather(*scene.tasks)


async def test_who_joins_over_an_outage_is_told_afresh_before_what_came_after_it(scene: Scene) -> None:
    active = await scene.feed.active()
    await scene.happens()
    scene.feed.missed()
    await scene.happens(heard=True)
    scene.deliver()
    await scene.feed.join(scene.subscription, active)
    await until(lambda: len(scene.told) == 2)
    assert scene.told == [("snapshot", 2, False), ("snapshot", 4, True)]


async def test_what_comes_in_the_moment_of_the_reconnect_waits_until_all_is_told_afresh(scene: Scene) -> None:
    await scene.join()
    await scene.happens()
    await scene.happens(heard=True)
    scene.feed.missed()
    scene.deliver()
    await until(lambda: len(scene.told) == 2)
    assert scene.told == [("snapshot", 2, False), ("snapshot", 4, True)]


async def test_a_second_outage_while_the_jobs_are_read_has_them_read_again_before_any_is_told(scene: Scene) -> None:
    await scene.join()
    scene.listing.may.clear()
    scene.feed.missed()
    await until(lambda: scene.listing.asked == 2)
    await scene.happens()
    await scene.happens(heard=True)
    scene.feed.missed()
    scene.deliver()
    scene.listing.may.set()
    await until(lambda: len(scene.told) == 2)
    assert scene.told == [("snapshot", 2, False), ("snapshot", 4, True)]
    await scene.happens(heard=True)
    scene.deliver()
    assert scene.told[2:] == [("log", 5, False)]


async def test_a_job_that_ends_right_after_the_reconnect_is_told_afresh_too(scene: Scene) -> None:
    await scene.join()
    await scene.happens()
    scene.feed.missed()
    await scene.ends()
    scene.deliver()
    await until(lambda: len(scene.told) == 2)
    assert scene.told == [("snapshot", 2, False), ("snapshot", 4, True)]
    assert not scene.feed._live


async def test_who_joins_over_an_outage_is_not_told_again_what_its_first_snapshot_had(scene: Scene) -> None:
    scene.feed.missed()
    await scene.happens(heard=True)
    active = await scene.feed.active()
    await scene.ends()
    scene.deliver()
    await scene.feed.join(scene.subscription, active)
    await until(lambda: len(scene.told) == 2)
    assert scene.told == [("snapshot", 3, False), ("snapshot", 4, True)]


async def test_who_joins_while_others_are_told_afresh_is_told_of_what_has_ended_too(
    scene: Scene, redis: Redis, jobs: JobStore
) -> None:
    await scene.join()
    client = Client()
    late = FeedSubscription(client.writer, Filter())
    scene.feed.attach(late)
    active = await scene.feed.active()
    scene.feed.missed()
    await jobs.apply(scene.run.job_id, [completed()], token=scene.run.token)
    scene.listing.may.clear()
    await until(lambda: scene.listing.asked == 3)
    joining = asyncio.create_task(scene.feed.join(late, active))
    scene.listing.may.set()
    await joining
    await until(lambda: not late.holding)
    assert scene.told == told(client) == [("snapshot", 2, False), ("snapshot", 3, True)]


async def test_a_job_that_ends_while_a_watcher_joins_is_not_remembered_for_ever(scene: Scene) -> None:
    active = await scene.feed.active()
    await scene.ends()
    scene.deliver()
    await scene.feed.join(scene.subscription, active)
    assert scene.told == [("snapshot", 2, False), ("completed", 3, False)]
    assert not scene.feed._live


async def test_a_job_that_ends_while_the_jobs_are_read_afresh_is_not_remembered_for_ever(scene: Scene) -> None:
    await scene.join()
    assert scene.feed._live == {scene.run.job_id}
    scene.listing.may.clear()
    scene.feed.missed()
    await until(lambda: scene.listing.asked == 2)
    await scene.ends()
    scene.deliver()
    scene.listing.may.set()
    await until(lambda: len(scene.told) == 3)
    assert scene.told[1:] == [("snapshot", 2, True), ("completed", 3, False)]
    assert not scene.feed._live


async def test_many_jobs_are_told_afresh_in_slices(scene: Scene, jobs: JobStore) -> None:
    ids = {scene.run.job_id} | {await accepted(jobs, metadata=json_text({"x": "x" * 20_000})) for _ in range(10)}
    other = Client()
    scene.feed.attach(watches_too := FeedSubscription(other.writer, Filter()))
    await scene.join()
    await scene.feed.join(watches_too, await scene.feed.active())
    before = scene.client.messages
    scene.feed.missed()
    await until(lambda: not scene.subscription.holding and not watches_too.holding)
    assert scene.client.messages - before == 3
    again = scene.client.events[len(ids) :]
    assert {event["job_id"] for event in again if event["reset"]} == ids
    assert other.events[len(ids) :] == again


async def test_who_takes_what_is_told_afresh_slowly_keeps_nobody_waiting_and_hears_of_the_next_outage(
    scene: Scene,
) -> None:
    await scene.join()
    quick = Client()
    scene.feed.attach(watches_too := FeedSubscription(quick.writer, Filter()))
    await scene.feed.join(watches_too, await scene.feed.active())
    scene.client.reading.clear()
    scene.feed.missed()
    await until(lambda: len(quick.events) == 2 and scene.client.writer._waited_for)
    await scene.happens()
    scene.feed.missed()
    await until(lambda: len(quick.events) == 3)
    await scene.happens(heard=True)
    scene.deliver()
    scene.client.reading.set()
    await until(lambda: scene.told[-1][1] == 4)
    afresh = [("snapshot", 2, False), ("snapshot", 2, True)]
    assert told(quick) == [*afresh, ("snapshot", 3, True), ("log", 4, False)]
    assert scene.told in ([*afresh, ("snapshot", 3, True), ("log", 4, False)], [*afresh, ("snapshot", 4, True)])


async def test_after_an_outage_over_too_many_jobs_who_watches_begins_anew(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scene.join()
    monkeypatch.setattr(feed, "MOST_AFRESH", 0)
    scene.feed.missed()
    await until(lambda: scene.client.closed)
    assert scene.client.closed == Close.COME_BACK
    assert (scene.told, scene.feed._live) == ([("snapshot", 2, False)], set())


async def test_who_leaves_while_told_afresh_is_told_no_more(scene: Scene, jobs: JobStore) -> None:
    for _ in range(10):
        await accepted(jobs, metadata=json_text({"x": "x" * 20_000}))
    await scene.join()
    before = len(scene.told)
    scene.client.reading.clear()
    scene.feed.missed()
    await until(lambda: scene.client.writer._waited_for)
    scene.feed.detach(scene.subscription)
    scene.client.reading.set()
    await asyncio.gather(*scene.tasks)
    assert 0 < len(scene.told) - before < 11
