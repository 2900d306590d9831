"""Deadlines of live jobs: leases, waits and starts, settled by whoever looks, each once."""

import asyncio

import pytest
from redis.asyncio import Redis

from app.errors import StaleRun
from app.jobs import Job, Status, new_job_id
from app.store import Change, JobStore
from tests.ground import INTERRUPTED, OWNER, accepted, claimed, completed, retry, running, waiting
from tests.working import history, job_of

DEADLINES = "tidings:deadlines"


async def settled(jobs: JobStore, job_id: str) -> Job:
    """The job, once a sweep has found it overdue."""
    async with asyncio.timeout(20):
        while not await jobs.settle_overdue():
            await asyncio.sleep(0.005)
    return await job_of(jobs, job_id)


async def past(redis: Redis, job_id: str) -> None:
    """Its deadline, whichever it is, was long ago."""
    assert await redis.zadd(DEADLINES, {job_id: 1}, xx=True, ch=True) == 1


def code_of(job: Job) -> str:
    assert job.error
    return str(job.error["code"])


async def test_a_live_job_has_one_place_that_moves_it_on(jobs: JobStore, redis: Redis) -> None:
    async def places() -> tuple[int, int]:
        return await redis.zcard("tidings:lane:default:k:default"), await redis.zcard(DEADLINES)

    run = await running(jobs)
    assert await places() == (0, 1)
    await jobs.apply(run.job_id, [retry(0)], token=run.token)
    assert await places() == (1, 0)
    run = await claimed(jobs)
    await jobs.apply(run.job_id, [waiting(60_000)], token=run.token)
    assert await places() == (0, 1)
    await jobs.cancel(run.job_id, OWNER)
    assert await places() == (0, 0)


async def test_a_lost_run_is_pending_again_before_any_worker_comes(jobs: JobStore, redis: Redis) -> None:
    job_id = await accepted(jobs)
    run = await claimed(jobs, lease_ms=1)
    job = await settled(jobs, job_id)
    assert (job.status, job.position, job.attempt) == (Status.PENDING, 0, 1)
    assert await redis.exists("tidings:nudge:default")
    with pytest.raises(StaleRun):
        await jobs.apply(job_id, [completed()], token=run.token)
    assert (await claimed(jobs)).attempt == 2


async def test_a_claim_recovers_what_was_lost_in_a_queue_it_does_not_serve(jobs: JobStore, redis: Redis) -> None:
    run = await running(jobs)
    await past(redis, run.job_id)
    await jobs.claim("other", ["elsewhere"], 1, lease_ms=60_000, kinds=["k"])
    assert await history(jobs, run.job_id) == [
        ("pending", "submitted"),
        ("processing", None),
        ("pending", "worker_lost"),
    ]


async def test_a_claim_says_how_soon_something_is_overdue(jobs: JobStore) -> None:
    await accepted(jobs)
    await claimed(jobs, lease_ms=5_000)
    await accepted(jobs, delay_ms=60_000)
    claims = await jobs.claim("other", ["default"], 1, lease_ms=60_000, kinds=["k"])
    assert claims.next_due_ms is not None
    assert claims.next_due_ms <= 5_000


async def test_more_than_one_claim_settles_is_left_for_the_next_which_comes_at_once(
    jobs: JobStore, redis: Redis
) -> None:
    await redis.zadd(DEADLINES, {new_job_id(): 1 for _ in range(100)})
    claims = [await jobs.claim("w", ["default"], 1, lease_ms=60_000, kinds=["k"]) for _ in range(2)]
    assert [claim.next_due_ms for claim in claims] == [0, None]


async def test_a_sweep_settles_no_more_than_it_is_told_and_says_how_many(jobs: JobStore, redis: Redis) -> None:
    ids = [(await running(jobs)).job_id for _ in range(5)]
    await redis.zadd(DEADLINES, dict.fromkeys(ids, 1))
    assert [await jobs.settle_overdue(3) for _ in range(3)] == [3, 2, 0]


async def test_sweeps_and_claims_at_once_settle_each_job_once(jobs: JobStore, redis: Redis) -> None:
    ids = [(await running(jobs, max_attempts=1)).job_id for _ in range(20)]
    await redis.zadd(DEADLINES, dict.fromkeys(ids, 1))
    counts = await asyncio.gather(
        *(jobs.settle_overdue(8) for _ in range(10)),
        *(jobs.claim(f"w{n}", ["default"], 1, lease_ms=60_000, kinds=["k"]) for n in range(3)),
    )
    assert sum(count for count in counts if isinstance(count, int)) <= 20
    for job_id in ids:
        assert await history(jobs, job_id) == [("pending", "submitted"), ("processing", None), ("failed", None)]
    assert not await redis.exists(DEADLINES)


async def test_an_entry_that_belongs_to_no_live_job_just_goes(jobs: JobStore, redis: Redis) -> None:
    ended, pending = await running(jobs), await accepted(jobs)
    await jobs.apply(ended.job_id, [completed()], token=ended.token)
    await redis.zadd(DEADLINES, dict.fromkeys((ended.job_id, pending, "no job"), 1))
    await jobs.settle_overdue()
    assert not await redis.exists(DEADLINES)
    assert (await job_of(jobs, ended.job_id)).status is Status.COMPLETED
    assert (await job_of(jobs, pending)).status is Status.PENDING


async def test_a_queue_entry_of_a_job_that_is_not_pending_just_goes(jobs: JobStore, redis: Redis) -> None:
    run = await running(jobs)
    await redis.zadd("tidings:later:default", {run.job_id: 1})
    assert not (await jobs.claim("w", ["default"], 1, lease_ms=60_000, kinds=["k"])).runs
    assert not await redis.exists("tidings:later:default")
    assert (await jobs.renew({run.job_id: run.token}, lease_ms=60_000)).lost == frozenset()


async def test_a_job_that_did_not_start_in_time_fails_as_expired(jobs: JobStore) -> None:
    job_id = await accepted(jobs, start_within_ms=1)
    job = await settled(jobs, job_id)
    assert (job.status, job.attempt, job.seq, code_of(job)) == (Status.FAILED, 0, 2, "expired")


async def test_a_claim_never_starts_what_is_too_late(jobs: JobStore, redis: Redis) -> None:
    job_id = await accepted(jobs, start_within_ms=1)
    await redis.zadd(DEADLINES, {new_job_id(): 1 for _ in range(100)})  # more than a claim settles
    while not (await job_of(jobs, job_id)).ended:
        assert not (await jobs.claim("w", ["default"], 1, lease_ms=60_000, kinds=["k"])).runs
    assert code_of(await job_of(jobs, job_id)) == "expired"


async def test_the_time_to_start_counts_from_when_the_job_is_due(jobs: JobStore, redis: Redis) -> None:
    made = await job_of(jobs, await accepted(jobs, delay_ms=50_000, start_within_ms=10_000))
    assert await redis.zscore(DEADLINES, made.job_id) == made.created_at + 60_000


@pytest.mark.parametrize("back", [retry(0), INTERRUPTED, None], ids=["retry", "interrupted", "worker_lost"])
async def test_a_job_that_has_started_once_has_all_the_time_to_start_again(
    jobs: JobStore, redis: Redis, back: Change | None
) -> None:
    run = await running(jobs, start_within_ms=60_000)
    if back:
        await jobs.apply(run.job_id, [back], token=run.token)
    else:
        await past(redis, run.job_id)
        await jobs.settle_overdue()
    assert (await job_of(jobs, run.job_id)).status is Status.PENDING
    assert not await redis.exists(DEADLINES)
    assert (await claimed(jobs)).job_id == run.job_id


async def test_a_wait_that_a_callback_ends_leaves_no_trace_in_the_next_run(jobs: JobStore, redis: Redis) -> None:
    run = await running(jobs)
    await jobs.apply(run.job_id, [waiting(60_000)], token=run.token)
    await jobs.apply(run.job_id, [retry(0)])
    again = await claimed(jobs)
    assert (await job_of(jobs, run.job_id)).waiting_for is None
    await past(redis, again.job_id)
    await jobs.settle_overdue()
    assert (await job_of(jobs, run.job_id)).status is Status.PENDING
