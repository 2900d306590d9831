"""How queues are seen to stand: for how long jobs wait in them, and how much goes through."""

from collections.abc import Iterator

import pytest
from redis.asyncio import Redis

from app.store import JobStore, Queue, Queues
from tests.ground import INTERRUPTED, accepted, claimed, completed
from tests.still_store import Clock, standing

MINUTE_MS = 60_000


@pytest.fixture
async def clock(redis: Redis) -> Clock:
    clock = Clock(redis)
    await clock.move(0)
    return clock


@pytest.fixture
def jobs(clock: Clock) -> JobStore:
    return clock.store()


@pytest.fixture
def queues(redis: Redis) -> Iterator[Queues]:
    with standing():
        yield Queues(redis)


async def look(queues: Queues) -> Queue:
    (queue,) = await queues.look_at(["default"])
    return queue


async def test_an_empty_queue_has_no_lag_and_no_throughput(clock: Clock, queues: Queues) -> None:
    assert await look(queues) == Queue("default", False, 0, 0, 0, 0.0, 0, 0)


async def test_the_lag_is_that_of_the_job_that_has_been_due_for_longest(
    clock: Clock, jobs: JobStore, queues: Queues
) -> None:
    await accepted(jobs, owner="a", delay_ms=5_000)
    await clock.move(4_000)
    assert (await look(queues)).lag_seconds == 0
    await accepted(jobs, owner="b")
    await clock.move(2_500)
    assert (await look(queues)).lag_seconds == 2.5
    await claimed(jobs)  # brings in what has become due, and takes one of the two
    await clock.move(1_000)
    assert (await look(queues)).lag_seconds in {2.5, 3.5}
    await claimed(jobs)
    assert (await look(queues)).lag_seconds == 0


async def test_urgency_makes_no_job_older(clock: Clock, jobs: JobStore, queues: Queues) -> None:
    await accepted(jobs, priority=9)
    await clock.move(1_000)
    assert (await look(queues)).lag_seconds == 1


async def test_an_attempt_that_is_made_again_waits_since_it_came_back(
    clock: Clock, jobs: JobStore, queues: Queues
) -> None:
    await accepted(jobs)
    run = await claimed(jobs)
    await clock.move(50_000)
    await jobs.apply(run.job_id, [INTERRUPTED], token=run.token)
    await clock.move(2_000)
    assert (await look(queues)).lag_seconds == 2


async def test_starts_and_ends_are_those_of_the_last_minute(clock: Clock, jobs: JobStore, queues: Queues) -> None:
    for _ in range(4):
        await accepted(jobs)
    await accepted(jobs, queue="other")
    runs = (await jobs.claim("w", ["default", "other"], 9, lease_ms=10 * MINUTE_MS, kinds=["k"])).runs
    assert len(runs) == 5
    for run in runs:
        await jobs.apply(run.job_id, [completed()], token=run.token)
    pending = await accepted(jobs)
    await jobs.cancel(pending, "me")
    counted = await look(queues)
    assert (counted.started_per_minute, counted.ended_per_minute) == (4, 5)
    await clock.move(MINUTE_MS + MINUTE_MS // 2)  # the clock began with a minute
    assert (await look(queues)).started_per_minute == 2
    await clock.move(MINUTE_MS)
    assert (await look(queues)).started_per_minute == 0


async def test_the_counts_of_a_minute_are_forgotten(clock: Clock, redis: Redis, jobs: JobStore) -> None:
    await accepted(jobs)
    await claimed(jobs)
    assert len(await redis.keys("tidings:throughput:*")) == 1
    await clock.move(2 * MINUTE_MS)
    assert await redis.keys("tidings:throughput:*") == []
