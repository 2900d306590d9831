"""What a claim does with the jobs of other workers: they keep their place, and hide nothing."""

import pytest
from redis.asyncio import Redis

from app.store import JobStore
from tests.ground import accepted


@pytest.fixture
async def _elsewhere(redis: Redis) -> None:
    await redis.hset("tidings:kinds", "elsewhere", "{}")  # type: ignore[misc]  # redis-py's own types


async def claimed_by(jobs: JobStore, kind: str, slots: int = 1) -> tuple[set[str], int | None]:
    claims = await jobs.claim(kind, ["default"], slots, lease_ms=60_000, kinds=[kind])
    return {run.job_id for run in claims.runs}, claims.next_due_ms


@pytest.mark.usefixtures("_elsewhere")
async def test_a_job_for_another_worker_can_be_claimed_by_it_at_once(jobs: JobStore) -> None:
    job_id = await accepted(jobs, kind="elsewhere")
    assert await claimed_by(jobs, "k") == (set(), None)
    assert (await claimed_by(jobs, "elsewhere"))[0] == {job_id}


@pytest.mark.usefixtures("_elsewhere")
async def test_what_is_passed_is_not_waited_for_but_what_is_due_later_is(jobs: JobStore) -> None:
    await accepted(jobs, kind="elsewhere")
    await accepted(jobs, kind="k", delay_ms=60_000)
    _, wait = await claimed_by(jobs, "k")
    assert wait
    assert 50_000 < wait <= 60_000


@pytest.mark.usefixtures("_elsewhere")
async def test_a_job_behind_one_for_another_worker_is_claimed_in_the_same_call(jobs: JobStore) -> None:
    for _ in range(3):
        await accepted(jobs, kind="elsewhere")
    mine = {await accepted(jobs, kind="k") for _ in range(3)}
    assert (await claimed_by(jobs, "k", slots=3))[0] == mine


@pytest.mark.usefixtures("_elsewhere")
async def test_ever_so_many_jobs_for_others_do_not_hide_what_lies_behind(jobs: JobStore) -> None:
    for _ in range(200):
        await accepted(jobs, kind="elsewhere")
    mine = await accepted(jobs, kind="k")
    claims = 0
    wait: int | None = 0
    while wait == 0:
        found, wait = await claimed_by(jobs, "k", slots=2)
        claims += 1
        if found:
            break
    assert found == {mine}
    assert claims <= 12
    assert len((await claimed_by(jobs, "elsewhere", slots=48))[0]) == 48


async def test_as_long_as_more_is_due_than_was_taken_nothing_is_waited_for(jobs: JobStore) -> None:
    for _ in range(3):
        await accepted(jobs, kind="k")
    assert (await claimed_by(jobs, "k", slots=2))[1] == 0
