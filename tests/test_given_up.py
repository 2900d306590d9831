"""What is no job, or no longer: the scripts give it up, and the others go on."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import pytest
from redis.asyncio import Redis

from app.errors import UnknownJob
from app.jobs import new_job_id
from app.store import JobStore
from tests.ground import accepted, claimed, log, running

LANE: Final = "tidings:lane:default:k:default"
QUEUE: Final = "tidings:later:default"
DEADLINES: Final = "tidings:deadlines"

Spoil = Callable[[Redis, str], Awaitable[Any]]


async def as_text(redis: Redis, key: str) -> None:
    await redis.set(key, "x")


async def almost_empty(redis: Redis, key: str) -> None:
    await redis.delete(key)
    await redis.hset(key, "status", "pending")  # type: ignore[misc]  # redis-py's own types


async def ahead(redis: Redis, key: str) -> None:
    await redis.xadd(key, {"t": "x"}, "999-0")


async def gone(redis: Redis, key: str) -> None:
    await redis.delete(key)


every_spoil = pytest.mark.parametrize(
    ("part", "spoil"), [("job", gone), ("job", as_text), ("job", almost_empty), ("events", as_text), ("events", ahead)]
)


def key(job_id: str, part: str) -> str:
    return f"tidings:{{{job_id}}}:{part}"


async def left_in_redis(redis: Redis, job_id: str) -> bool:
    """Whether an index still leads to it, or a key of it would stay for ever."""
    indexed = [await redis.zscore(index, job_id) for index in (LANE, QUEUE, DEADLINES)]
    lives = [await redis.pttl(name) for name in await redis.keys(f"tidings:{{{job_id}}}:*")]
    return any(indexed) or -1 in lives


@every_spoil
async def test_a_claim_takes_the_others(redis: Redis, jobs: JobStore, part: str, spoil: Spoil) -> None:
    bad, good = await accepted(jobs), await accepted(jobs)
    await spoil(redis, key(bad, part))
    claims = await jobs.claim("w", ["default"], 2, lease_ms=60_000, kinds=["k"])
    assert [run.job_id for run in claims.runs] == [good]
    assert not await left_in_redis(redis, bad)


@every_spoil
async def test_what_is_overdue_is_settled_all_the_same(redis: Redis, jobs: JobStore, part: str, spoil: Spoil) -> None:
    bad, good = await running(jobs), await running(jobs)
    await spoil(redis, key(bad.job_id, part))
    await redis.zadd(DEADLINES, {bad.job_id: 1, good.job_id: 2})
    assert await jobs.settle_overdue() == 2
    assert await redis.zscore(LANE, good.job_id)
    assert not await left_in_redis(redis, bad.job_id)


async def test_indexes_forget_what_is_no_id_at_all(redis: Redis, jobs: JobStore) -> None:
    for index in (QUEUE, DEADLINES):
        await redis.zadd(index, {b"\xff\x00": 0, new_job_id().encode(): 0, b"": 0})
    good = await accepted(jobs)
    assert (await claimed(jobs)).job_id == good
    assert await redis.zcard(QUEUE) == 0
    assert await redis.zrange(DEADLINES, 0, -1) == [good.encode()]


async def test_leases_of_the_others_are_renewed(redis: Redis, jobs: JobStore) -> None:
    bad, good = await running(jobs), await running(jobs)
    await as_text(redis, key(bad.job_id, "job"))
    renewal = await jobs.renew({run.job_id: run.token for run in (bad, good)}, lease_ms=60_000)
    assert renewal.lost == {bad.job_id}


@pytest.mark.parametrize("part", ["job", "events"])
async def test_it_is_unknown_to_who_asks_and_to_who_tells(redis: Redis, jobs: JobStore, part: str) -> None:
    bad = await running(jobs)
    await as_text(redis, key(bad.job_id, part))
    assert await jobs.read(bad.job_id) is None
    with pytest.raises(UnknownJob):
        await jobs.apply(bad.job_id, [log("x")], token=bad.token)


@pytest.mark.parametrize("spoil", [as_text, gone])
async def test_params_that_have_gone_bad_are_the_runs_to_refuse(redis: Redis, jobs: JobStore, spoil: Spoil) -> None:
    job_id = await accepted(jobs)
    await spoil(redis, key(job_id, "params"))
    assert (await claimed(jobs)).params in ("x", "")
    other = await accepted(jobs)
    await redis.delete(key(other, "params"))
    await redis.rpush(key(other, "params"), "x")  # type: ignore[misc]  # redis-py's own types
    assert (await claimed(jobs)).params == ""
    await redis.set(key(await accepted(jobs), "params"), b"\xff")
    assert (await claimed(jobs)).params == "\ufffd"


async def test_nudges_of_another_type_are_replaced(redis: Redis, jobs: JobStore) -> None:
    await redis.set("tidings:nudge:default", "x")
    await accepted(jobs)
    assert await redis.lpop("tidings:nudge:default") == b"1"  # type: ignore[misc]  # redis-py's own types
