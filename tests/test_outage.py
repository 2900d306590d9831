"""After Redis was away nobody is taken for lost until everybody had time to come back."""

import asyncio
import time

import pytest
from redis.asyncio import Redis

from app.errors import IllegalChange
from app.jobs import Status
from app.store import Change, JobStore
from tests.ground import accepted, claimed, running
from tests.working import job_of

WATCH = "tidings:watch"


async def overdue(jobs: JobStore, redis: Redis) -> str:
    """A run whose lease is over."""
    run = await running(jobs)
    await redis.zadd("tidings:deadlines", {run.job_id: 1})
    return run.job_id


async def unwatched(redis: Redis, seconds: float) -> None:
    """As if nobody had looked for so long."""
    await redis.hset(WATCH, "seen", str(int((time.time() - seconds) * 1000)))  # type: ignore[misc]  # redis-py's


async def test_leases_that_nobody_could_renew_are_not_overdue_at_once(jobs: JobStore, redis: Redis) -> None:
    job_id = await overdue(jobs, redis)
    await unwatched(redis, 5)
    assert await jobs.settle_overdue() == 0
    claims = await jobs.claim("other", ["default"], 1, lease_ms=60_000, kinds=["k"])
    assert (claims.runs, claims.next_due_ms) == ((), None)
    assert (await job_of(jobs, job_id)).status is Status.PROCESSING
    await redis.hset(WATCH, "patience", str(int(time.time() * 1000)))  # type: ignore[misc]  # redis-py's
    await asyncio.sleep(0.002)
    assert await jobs.settle_overdue() == 1
    assert (await job_of(jobs, job_id)).status is Status.PENDING


async def test_as_long_as_somebody_looks_there_is_no_patience(jobs: JobStore, redis: Redis) -> None:
    await unwatched(redis, 1)
    await overdue(jobs, redis)
    assert await jobs.settle_overdue() == 1


async def test_what_waits_in_a_queue_is_claimed_all_the_same(jobs: JobStore, redis: Redis) -> None:
    await unwatched(redis, 60)
    job_id = await accepted(jobs)
    assert (await claimed(jobs)).job_id == job_id


async def test_a_claim_whose_answer_got_lost_brings_the_same_runs_when_it_is_made_again(jobs: JobStore) -> None:
    await accepted(jobs)
    first = await jobs.claim("w", ["default"], 1, lease_ms=60_000, kinds=["k"], number=1)
    await accepted(jobs)
    again = await jobs.claim("w", ["default"], 1, lease_ms=60_000, kinds=["k"], number=1)
    assert again.runs == first.runs
    other = await jobs.claim("w", ["default"], 1, lease_ms=60_000, kinds=["k"], number=2)
    assert {run.job_id for run in other.runs}.isdisjoint(run.job_id for run in first.runs)
    assert len(other.runs) == 1


async def test_of_runs_lost_since_a_repeated_claim_brings_none(jobs: JobStore, redis: Redis) -> None:
    await accepted(jobs)
    (run,) = (await jobs.claim("w", ["default"], 1, lease_ms=60_000, kinds=["k"], number=1)).runs
    await redis.zadd("tidings:deadlines", {run.job_id: 1})
    await jobs.settle_overdue()
    assert not (await jobs.claim("w", ["default"], 1, lease_ms=60_000, kinds=["k"], number=1)).runs


async def test_workers_that_are_given_the_same_seq_have_different_tokens(jobs: JobStore, redis: Redis) -> None:
    job_id = await accepted(jobs)
    before = await redis.dump(f"tidings:{{{job_id}}}:job")
    first = await claimed(jobs, "host-1-aaaaaa")
    await redis.restore(f"tidings:{{{job_id}}}:job", 0, before, replace=True)
    await redis.delete(f"tidings:{{{job_id}}}:events")
    await redis.zadd("tidings:later:default", {job_id: 1})
    second = await claimed(jobs, "host-2-bbbbbb")
    assert (first.job_id, first.attempt) == (second.job_id, second.attempt)
    assert first.token != second.token


async def test_a_record_that_is_broken_stops_nobody(jobs: JobStore, redis: Redis) -> None:
    await redis.hset("tidings:{broken}:job", "status", "processing")  # type: ignore[misc]  # redis-py's own types
    await redis.zadd("tidings:deadlines", {"broken": 1})
    await redis.zadd("tidings:later:default", {"broken": 1})
    job_id = await accepted(jobs)
    assert (await claimed(jobs)).job_id == job_id
    assert await redis.zscore("tidings:deadlines", "broken") is None


async def test_a_run_without_deadline_that_lies_in_a_queue_gets_one(jobs: JobStore, redis: Redis) -> None:
    run = await running(jobs)
    await redis.zrem("tidings:deadlines", run.job_id)
    await redis.zadd("tidings:later:default", {run.job_id: 1})
    await jobs.claim("other", ["default"], 1, lease_ms=60_000, kinds=["k"])
    assert await redis.zscore("tidings:deadlines", run.job_id) is not None


async def test_a_run_that_may_still_go_on_is_not_given_back_once_its_cancel_was_asked_for(jobs: JobStore) -> None:
    surrendered = Change("pending", '{"reason":"interrupted"}', "surrendered")
    run = await running(jobs)
    await jobs.cancel(run.job_id, "owner")
    with pytest.raises(IllegalChange):
        await jobs.apply(run.job_id, [surrendered], token=run.token)
    assert (await job_of(jobs, run.job_id)).status is Status.PROCESSING
