"""How long a job will take: what runs of its kind took, and what its own progress says."""

from typing import Any

import pytest
from redis.asyncio import Redis

from app.jobs import Job
from app.store import Change, JobStore, Run
from tests.ground import OWNER, accepted, claimed, completed, failed, progress, running, submission, waiting
from tests.still_store import Clock

PACE = "tidings:pace:k"


@pytest.fixture
def jobs(clock: Clock) -> JobStore:
    return clock.store()


async def took(jobs: JobStore, clock: Clock, *seconds: float) -> None:
    """Runs of kind `k` that took so long."""
    for each in seconds:
        run = await running(jobs)
        await clock.move(round(each * 1_000))
        await jobs.apply(run.job_id, [completed()], token=run.token)


async def job_of(jobs: JobStore, job_id: str) -> Job:
    (job,) = await jobs.read_many([job_id])
    return job


async def estimate(jobs: JobStore, job_id: str) -> tuple[float | None, float | None]:
    """Seconds to its end, twice, as the outside is told."""
    shown = (await job_of(jobs, job_id)).shown()
    return shown["eta_seconds"], shown["eta_p90_seconds"]


async def tell(jobs: JobStore, run: Run, change: Change) -> None:
    await jobs.apply(run.job_id, [change], token=run.token)


async def latest_progress(jobs: JobStore, run: Run) -> Any:
    return (await job_of(jobs, run.job_id)).progress


# While it waits


async def test_where_no_run_has_completed_nothing_is_known(jobs: JobStore, clock: Clock) -> None:
    run = await running(jobs)
    await clock.move(5_000)
    await tell(jobs, run, failed())
    assert await estimate(jobs, await accepted(jobs)) == (None, None)
    assert await estimate(jobs, (await claimed(jobs)).job_id) == (None, None)


async def test_it_is_what_half_and_nine_tenths_of_the_runs_took(jobs: JobStore, clock: Clock) -> None:
    await took(jobs, clock, *range(1, 11))
    assert await estimate(jobs, await accepted(jobs)) == (5, 9)
    assert await estimate(jobs, await accepted(jobs, kind="other", owner="other")) == (None, None)


async def test_only_the_latest_thirty_two_runs_count(jobs: JobStore, clock: Clock) -> None:
    await took(jobs, clock, *[100] * 32, *[1] * 16, *[3] * 16)
    assert await estimate(jobs, await accepted(jobs)) == (1, 3)


async def test_a_submission_is_told_its_estimate(jobs: JobStore, clock: Clock) -> None:
    await took(jobs, clock, 4)
    job = (await jobs.submit(submission())).job
    assert (job.eta_ms, job.eta_p90_ms) == (4_000, 4_000)


async def test_who_waits_in_line_waits_for_those_ahead_as_many_at_once_as_run(jobs: JobStore, clock: Clock) -> None:
    await took(jobs, clock, 4)
    for _ in range(2):
        await running(jobs)
    for _ in range(6):
        await clock.move(1)
        last = await accepted(jobs)
    assert await estimate(jobs, last) == (14, 14)  # five ahead, by twos


async def test_what_is_due_later_waits_till_then(jobs: JobStore, clock: Clock) -> None:
    await took(jobs, clock, 4)
    job_id = await accepted(jobs, delay_ms=60_000)
    assert await estimate(jobs, job_id) == (64, 64)
    await clock.move(20_000)
    assert await estimate(jobs, job_id) == (44, 44)


async def test_of_a_suspended_job_nothing_is_known(jobs: JobStore, clock: Clock) -> None:
    await took(jobs, clock, 4)
    job_id = await accepted(jobs)
    await jobs.suspend(job_id, OWNER, 60_000)
    assert await estimate(jobs, job_id) == (None, None)
    await jobs.resume(job_id, OWNER)
    assert await estimate(jobs, job_id) == (4, 4)


# While it runs


async def test_a_run_has_left_what_is_left_of_the_usual_time(jobs: JobStore, clock: Clock) -> None:
    await took(jobs, clock, *range(1, 11))
    run = await running(jobs)
    seen = []
    for _ in range(6):
        seen.append(await estimate(jobs, run.job_id))
        await clock.move(2_000)
    assert seen == [(5, 9), (3, 7), (1, 5), (3, 3), (1, 1), (None, None)]


async def test_its_own_eta_goes_before_the_usual_time_and_grows_shorter(jobs: JobStore, clock: Clock) -> None:
    await took(jobs, clock, 10)
    run = await running(jobs)
    await tell(jobs, run, Change("progress", '{"percent":10,"eta_seconds":30}'))
    assert await estimate(jobs, run.job_id) == (30, 30)
    await clock.move(12_000)
    assert await estimate(jobs, run.job_id) == (18, 18)
    await clock.move(60_000)
    assert await estimate(jobs, run.job_id) == (0, 0)


async def test_an_eta_beyond_reason_is_a_century(jobs: JobStore) -> None:
    run = await running(jobs)
    await tell(jobs, run, Change("progress", '{"percent":10,"eta_seconds":1e300}'))
    assert await estimate(jobs, run.job_id) == (36_500 * 86_400, 36_500 * 86_400)


async def test_its_speed_is_its_eta_after_the_first_second(jobs: JobStore, clock: Clock) -> None:
    run = await running(jobs)
    await clock.move(999)
    await tell(jobs, run, progress(10))
    assert await latest_progress(jobs, run) == {"percent": 10}
    assert await estimate(jobs, run.job_id) == (None, None)
    await clock.move(4_001)
    await tell(jobs, run, progress(20))
    assert await latest_progress(jobs, run) == {"percent": 20, "eta_seconds": 20}
    await clock.move(2_000)
    assert await estimate(jobs, run.job_id) == (18, 18)


@pytest.mark.parametrize(
    "data",
    [
        '{"percent":0.5}',
        '{"percent":0}',
        '{"percent":100}',
        '{"percent":50,"eta_seconds":3}',
        '{"message":"no percent"}',
    ],
)
async def test_a_progress_that_tells_no_speed_is_left_as_it_is(jobs: JobStore, clock: Clock, data: str) -> None:
    run = await running(jobs)
    await clock.move(10_000)
    await tell(jobs, run, Change("progress", data))
    view = await jobs.read(run.job_id, after=0)
    assert view
    assert view.events[-1].data == data


async def test_another_attempt_is_measured_from_its_own_begin(jobs: JobStore, clock: Clock) -> None:
    await took(jobs, clock, 10)
    run = await running(jobs)
    await clock.move(60_000)
    await tell(jobs, run, Change("pending", '{"reason":"retry"}', "0"))
    again = await claimed(jobs)
    await clock.move(4_000)
    assert await estimate(jobs, again.job_id) == (6, 6)
    await tell(jobs, again, completed())
    assert await estimate(jobs, await accepted(jobs)) == (4, 10)


async def test_what_an_earlier_attempt_told_says_nothing_of_this_one(jobs: JobStore, clock: Clock) -> None:
    await took(jobs, clock, 10)
    run = await running(jobs)
    await tell(jobs, run, Change("progress", '{"percent":10,"eta_seconds":30}'))
    await clock.move(1_000)
    await tell(jobs, run, Change("pending", '{"reason":"retry"}', "0"))
    again = await claimed(jobs)
    assert await estimate(jobs, again.job_id) == (10, 10)
    await tell(jobs, again, Change("progress", '{"percent":10,"eta_seconds":20}'))
    assert await estimate(jobs, again.job_id) == (20, 20)


async def test_who_waits_for_a_callback_may_wait_ever_so_long(jobs: JobStore, clock: Clock) -> None:
    await took(jobs, clock, 10)
    run = await running(jobs)
    await tell(jobs, run, Change("progress", '{"percent":10,"eta_seconds":30}'))
    await tell(jobs, run, waiting(600_000))
    assert await estimate(jobs, run.job_id) == (None, None)


async def test_an_ended_job_has_none(jobs: JobStore, clock: Clock) -> None:
    await took(jobs, clock, 10)
    run = await running(jobs)
    await tell(jobs, run, Change("progress", '{"percent":10,"eta_seconds":30}'))
    await tell(jobs, run, completed())
    assert await estimate(jobs, run.job_id) == (None, None)


# What is remembered


async def test_what_runs_took_is_forgotten_a_week_after_the_last(jobs: JobStore, redis: Redis, clock: Clock) -> None:
    await took(jobs, clock, 10)
    await clock.move(7 * 86_400_000 - 1)
    assert await redis.exists(PACE)
    await clock.move(1)
    assert not await redis.exists(PACE)


@pytest.mark.parametrize("garbage", ["", "x", "1", "7 x 3", "-1 -1 -1", "1 1 x y z"])
async def test_garbage_is_forgotten_with_the_next_run(jobs: JobStore, redis: Redis, clock: Clock, garbage: str) -> None:
    await redis.set(PACE, garbage)
    await estimate(jobs, await accepted(jobs))
    await estimate(jobs, (await claimed(jobs)).job_id)
    await took(jobs, clock, 10)
    assert await estimate(jobs, await accepted(jobs)) == (10, 10)


async def test_a_key_of_another_type_stops_no_job(jobs: JobStore, redis: Redis, clock: Clock) -> None:
    await redis.rpush(PACE, "x")  # type: ignore[misc]  # redis-py
    await took(jobs, clock, 10)
    assert await estimate(jobs, await accepted(jobs)) == (10, 10)
