from collections.abc import Sequence

from redis.asyncio import Redis

from app.hub import FeedSubscription, Hub, Places
from app.store import Filter, JobStore
from tests.ground import OWNER, accepted, claimed, retry
from tests.watching import Client, running_hub, until


class Asked:
    """Keeps what it is asked for."""

    def __init__(self) -> None:
        self.rounds: list[list[str]] = []

    async def place(self, job_ids: Sequence[str]) -> int:
        self.rounds.append(sorted(job_ids))
        return 0


async def test_only_jobs_that_somebody_watches_are_asked_for() -> None:
    asked, waiting = Asked(), {"a", "b"}
    places = Places(asked, lambda: waiting)
    await places.tell()
    waiting.clear()
    await places.tell()
    assert asked.rounds == [["a", "b"]]


async def test_of_very_many_each_has_its_turn() -> None:
    asked, waiting = Asked(), {f"job{n}" for n in range(700)}
    places = Places(asked, lambda: waiting)
    for _ in range(3):
        await places.tell()
    assert sorted(job_id for batch in asked.rounds for job_id in batch) == sorted(waiting)
    await places.tell()
    assert len(asked.rounds[3]) == 256


async def test_a_watched_job_counts_as_waiting_while_it_is_pending(redis: Redis, jobs: JobStore) -> None:
    async with running_hub(redis, jobs) as (hub, _):
        job_id = await accepted(jobs)
        client = Client()
        await client.join(hub, job_id)
        assert hub.waiting() == {job_id}
        run = await claimed(jobs)
        await until(lambda: not hub.waiting())
        await jobs.apply(job_id, [retry(60_000)], token=run.token)
        await until(lambda: hub.waiting() == {job_id})


async def test_the_jobs_of_a_watched_feed_count_as_well(redis: Redis, jobs: JobStore) -> None:
    async with running_hub(redis, jobs) as (hub, _):
        before = await accepted(jobs)
        await join_feed(hub)
        assert hub.waiting() == {before}
        later = await accepted(jobs)
        await until(lambda: hub.waiting() == {before, later})
        await claimed(jobs)
        await until(lambda: hub.waiting() == {later})
        await jobs.cancel(later, OWNER)
        await until(lambda: not hub.waiting())


async def join_feed(hub: Hub) -> None:
    subscription = FeedSubscription(Client().writer, Filter())
    feed = await hub.watch_feed(OWNER, subscription)
    await feed.join(subscription, await feed.active())
