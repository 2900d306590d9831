"""After an outage nobody is taken for lost until everybody had time to come back."""

import time

import pytest
from redis.asyncio import Redis
from redis.exceptions import BusyLoadingError, ResponseError

from app.errors import Unavailable
from app.jobs import Status
from app.store import JobStore, outage
from app.store.outage import Outage
from tests.ground import accepted, claimed, submission
from tests.working import job_of


@pytest.mark.parametrize("cause", [ConnectionRefusedError(), BusyLoadingError(), TimeoutError()], ids=repr)
def test_it_is_recent_while_it_lasts_and_for_a_while_after(
    monkeypatch: pytest.MonkeyPatch, cause: BaseException
) -> None:
    seen = Outage()
    recent = [seen.recent]
    seen.failed(cause)
    recent.append(seen.recent)
    seen.answered()
    recent.append(seen.recent)
    monkeypatch.setattr(outage, "PATIENCE_SECONDS", 0)
    recent.append(seen.recent)
    assert recent == [False, True, True, False]


def test_a_refusal_is_none() -> None:
    seen = Outage()
    seen.failed(ResponseError("no such command"))
    assert not seen.recent


async def cut_off(jobs: JobStore, redis: Redis) -> None:
    """One call of it gets no answer."""
    pool = redis.connection_pool
    whereabouts = dict(pool.connection_kwargs)
    for path in ("/nonexistent.sock", whereabouts["path"]):
        await pool.disconnect()
        pool.reset()  # type: ignore[no-untyped-call]  # redis-py
        pool.connection_kwargs["path"] = path
        if path != whereabouts["path"]:
            with pytest.raises(Unavailable):
                await jobs.settle_overdue()


async def test_leases_that_nobody_could_renew_are_not_overdue_at_once(
    jobs: JobStore, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = await accepted(jobs)
    run = await claimed(jobs)
    await redis.zadd("tidings:deadlines", {job_id: 1})
    await cut_off(jobs, redis)
    assert await jobs.settle_overdue() == 0
    claims = await jobs.claim("other", ["default"], 1, lease_ms=60_000, kinds=["k"])
    assert (claims.runs, claims.next_due_ms) == ((), None)
    assert (await jobs.renew({job_id: run.token}, lease_ms=60_000)).lost == frozenset()

    await redis.zadd("tidings:deadlines", {job_id: 1})
    monkeypatch.setattr(outage, "PATIENCE_SECONDS", 0)
    assert await jobs.settle_overdue() == 1
    assert (await job_of(jobs, job_id)).status is Status.PENDING


async def test_what_waits_in_a_queue_is_claimed_all_the_same(jobs: JobStore, redis: Redis) -> None:
    await cut_off(jobs, redis)
    job_id = await accepted(jobs)
    assert (await claimed(jobs)).job_id == job_id


async def test_a_submission_that_redis_refuses_is_no_outage(jobs: JobStore, redis: Redis) -> None:
    await accepted(jobs)
    run = await claimed(jobs)
    with pytest.raises(Unavailable):
        await jobs.submit(submission(delay_ms=10**19))
    await redis.zadd("tidings:deadlines", {run.job_id: int(time.time() * 1000) - 1})
    assert await jobs.settle_overdue() == 1
