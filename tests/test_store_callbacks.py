"""What comes back to a job that waits, on the store alone: each callback has one outcome, and each wait one answer."""

from typing import Any

import pytest
from redis.asyncio import Redis

from app.callbacks import Answer, Awaited, Outcome
from app.errors import CallbackConflict, CallbackOver, StaleRun, UnknownCallback
from app.events import json_text
from app.jobs import Status
from app.store import CallbackStore, Change, JobStore, Run
from tests.ground import INTERRUPTED, accepted, claimed, completed, failed, log, retry, running, waiting
from tests.still_store import Clock, standing
from tests.working import history, job_of

DEADLINES = "tidings:deadlines"
HEADERS = '{"x-signature":"s"}'


def answer(value: Any, *, fails: bool = False) -> Answer:
    return Answer(fails, json_text(value).encode(), HEADERS)


@pytest.fixture
def callbacks(redis: Redis) -> CallbackStore:
    return CallbackStore(redis)


async def waiting_job(jobs: JobStore, spans: str = "60000", **fields: Any) -> Run:
    """A run whose handler waits."""
    run = await running(jobs, **fields)
    await jobs.apply(run.job_id, [Change("waiting", '{"for":"callback","deadline":"@"}', spans)], token=run.token)
    return run


async def test_an_answer_has_the_handler_run_again_with_it_in_the_same_attempt(
    jobs: JobStore, callbacks: CallbackStore
) -> None:
    run = await waiting_job(jobs)
    assert await callbacks.answer(Awaited(run.job_id, 0), answer({"paid": 5})) is Outcome.ACCEPTED
    assert (await job_of(jobs, run.job_id)).waiting_for is None
    again = await claimed(jobs, "other")
    assert (again.job_id, again.attempt, again.wait, again.looks) == (run.job_id, 1, 1, False)
    assert again.answer == answer({"paid": 5})
    assert await history(jobs, run.job_id) == [
        ("pending", "submitted"),
        ("processing", None),
        ("waiting", None),
        ("pending", "callback"),
        ("processing", None),
    ]


async def test_an_answer_that_comes_early_is_kept_for_the_wait(jobs: JobStore, callbacks: CallbackStore) -> None:
    run = await running(jobs)
    assert await callbacks.answer(Awaited(run.job_id, 0), answer(1)) is Outcome.EARLY
    await jobs.apply(run.job_id, [retry()], token=run.token)
    second = await claimed(jobs)
    assert (second.attempt, second.answer) == (2, None)
    await jobs.apply(run.job_id, [waiting(60_000)], token=second.token)
    again = await claimed(jobs)
    assert (again.attempt, again.wait, again.answer) == (2, 1, answer(1))


async def test_a_run_after_a_crash_has_the_same_answer(jobs: JobStore, callbacks: CallbackStore, redis: Redis) -> None:
    run = await waiting_job(jobs)
    await callbacks.answer(Awaited(run.job_id, 0), answer(1))
    lost = await claimed(jobs)
    await redis.zadd(DEADLINES, {run.job_id: 1})
    await jobs.settle_overdue()
    again = await claimed(jobs)
    assert (lost.attempt, again.attempt, again.wait, again.answer) == (1, 2, 1, answer(1))


async def test_a_repeat_is_known_and_another_answer_is_refused(jobs: JobStore, callbacks: CallbackStore) -> None:
    run = await waiting_job(jobs)
    awaited = Awaited(run.job_id, 0)
    await callbacks.answer(awaited, answer({"a": 1, "b": 2}))
    for _ in range(2):
        assert await callbacks.answer(awaited, answer({"b": 2, "a": 1})) is Outcome.DUPLICATE
        with pytest.raises(CallbackConflict):
            await callbacks.answer(awaited, answer({"a": 2}))
        with pytest.raises(CallbackConflict):
            await callbacks.answer(awaited, answer({"a": 1, "b": 2}, fails=True))
        with pytest.raises(CallbackOver):
            await callbacks.heartbeat(awaited)
        run = await claimed(jobs)
        await jobs.apply(run.job_id, [waiting(60_000)], token=run.token)
        await callbacks.answer(Awaited(run.job_id, run.wait), answer(None))


async def test_a_used_token_is_of_no_use_for_the_next_wait(jobs: JobStore, callbacks: CallbackStore) -> None:
    run = await waiting_job(jobs)
    await callbacks.answer(Awaited(run.job_id, 0), answer(1))
    second = await claimed(jobs)
    await jobs.apply(run.job_id, [waiting(60_000)], token=second.token)
    with pytest.raises(CallbackConflict):
        await callbacks.answer(Awaited(run.job_id, 0), answer(2))
    with pytest.raises(CallbackOver):
        await callbacks.answer(Awaited(run.job_id, 2), answer(2))
    assert (await job_of(jobs, run.job_id)).waiting_for == "callback"
    await callbacks.answer(Awaited(run.job_id, 1), answer(3))
    assert (await claimed(jobs)).answer == answer(3)


async def test_of_many_waits_the_latest_answers_are_known(
    jobs: JobStore, callbacks: CallbackStore, redis: Redis
) -> None:
    run = await running(jobs)
    for number in range(40):
        await callbacks.answer(Awaited(run.job_id, number), answer(number))
        await jobs.apply(run.job_id, [waiting(60_000)], token=run.token)
        run = await claimed(jobs)
    assert run.answer == answer(39)
    assert await callbacks.answer(Awaited(run.job_id, 30), answer(30)) is Outcome.DUPLICATE
    with pytest.raises(CallbackOver):
        await callbacks.answer(Awaited(run.job_id, 3), answer(3))
    assert await redis.hlen(f"tidings:{{{run.job_id}}}:answers") <= 16 + 2 * 3  # type: ignore[misc]  # redis-py


async def test_after_the_end_nobody_waits(jobs: JobStore, callbacks: CallbackStore) -> None:
    unanswered, answered = await waiting_job(jobs), await waiting_job(jobs)
    await jobs.cancel(unanswered.job_id, "me")
    with pytest.raises(CallbackOver):
        await callbacks.answer(Awaited(unanswered.job_id, 0), answer(1))
    await callbacks.answer(Awaited(answered.job_id, 0), answer(1))
    last = await claimed(jobs)
    await jobs.apply(last.job_id, [completed()], token=last.token)
    assert await callbacks.answer(Awaited(last.job_id, 0), answer(1)) is Outcome.DUPLICATE
    with pytest.raises(CallbackOver):
        await callbacks.progress(Awaited(last.job_id, 1), 5, None)
    with pytest.raises(UnknownCallback):
        await callbacks.heartbeat(Awaited("a" * 26, 0))


@pytest.fixture
async def still(redis: Redis, clock: Clock) -> tuple[JobStore, CallbackStore]:
    """Both by the clock that stands."""
    with standing():
        return JobStore(redis), CallbackStore(redis)


async def moved(clock: Clock, jobs: JobStore, ms: int) -> None:
    """Time passes, watched."""
    for step in [1_000] * (ms // 1_000) + [ms % 1_000]:
        await clock.move(step)
        await jobs.settle_overdue()


def told_of(job: Any) -> tuple[str, str]:
    return job.error["code"], job.error["message"]


async def test_the_whole_time_runs_out_whatever_is_heard(still: tuple[JobStore, CallbackStore], clock: Clock) -> None:
    jobs, callbacks = still
    run = await waiting_job(jobs, "10000 4000")
    for _ in range(3):
        await moved(clock, jobs, 3_000)
        assert await callbacks.heartbeat(Awaited(run.job_id, 0)) is Outcome.ACCEPTED
    await clock.move(1_000)
    with pytest.raises(CallbackOver):
        await callbacks.answer(Awaited(run.job_id, 0), answer(1))
    await moved(clock, jobs, 0)
    assert told_of(await job_of(jobs, run.job_id)) == ("callback_timeout", "No callback came before the deadline.")


async def test_silence_ends_a_wait_that_demands_heartbeats(still: tuple[JobStore, CallbackStore], clock: Clock) -> None:
    jobs, callbacks = still
    run = await waiting_job(jobs, "60000 4000")
    await moved(clock, jobs, 3_000)
    assert await callbacks.progress(Awaited(run.job_id, 0), 40, "printing") is Outcome.ACCEPTED
    await moved(clock, jobs, 3_999)
    job = await job_of(jobs, run.job_id)
    assert (job.waiting_for, job.progress) == ("callback", {"percent": 40, "message": "printing"})
    await moved(clock, jobs, 1)
    assert told_of(await job_of(jobs, run.job_id)) == ("callback_timeout", "No heartbeat came in time.")


async def test_a_heartbeat_before_the_wait_changes_nothing(jobs: JobStore, callbacks: CallbackStore) -> None:
    run = await running(jobs)
    assert await callbacks.heartbeat(Awaited(run.job_id, 0)) is Outcome.EARLY
    assert await callbacks.progress(Awaited(run.job_id, 0), 4, None) is Outcome.EARLY
    assert (await job_of(jobs, run.job_id)).seq == 2


async def looking(jobs: JobStore, clock: Clock, spans: str = "60000 0 5000", **fields: Any) -> Run:
    """A run that only looks for the answer of a wait."""
    await waiting_job(jobs, spans, **fields)
    await moved(clock, jobs, 5_000)
    return await claimed(jobs, "other")


async def test_a_worker_looks_now_and_then_and_leaves_no_trace(
    still: tuple[JobStore, CallbackStore], clock: Clock
) -> None:
    jobs, _ = still
    look = await looking(jobs, clock)
    assert (look.looks, look.attempt, look.wait, look.answer) == (True, 1, 0, None)
    before = await job_of(jobs, look.job_id)
    assert (before.status, before.waiting_for, before.seq) == (Status.PROCESSING, "callback", 3)
    await jobs.apply(look.job_id, [Change("waiting", "{}")], token=look.token)
    assert not (await jobs.claim("w", ["default"], 1, lease_ms=60_000, kinds=["k"])).runs
    await moved(clock, jobs, 5_000)
    again = await claimed(jobs, "other")
    assert (again.looks, again.token != look.token) == (True, True)
    assert await job_of(jobs, look.job_id) == before
    with pytest.raises(StaleRun):
        await jobs.apply(look.job_id, [Change("waiting", "{}")], token=look.token)


async def test_what_a_look_finds_is_the_answer(still: tuple[JobStore, CallbackStore], clock: Clock) -> None:
    jobs, callbacks = still
    look = await looking(jobs, clock)
    await jobs.apply(look.job_id, [log("found"), Change("pending", "{}", 'answered {"paid":\n5}')], token=look.token)
    again = await claimed(jobs)
    assert again.answer == Answer(False, b'{"paid":\n5}', "")
    assert (again.attempt, again.wait) == (1, 1)
    for value in ({"paid": 5}, {"paid": 6}):
        assert await callbacks.answer(Awaited(look.job_id, 0), answer(value)) is Outcome.RECONCILED


async def test_a_callback_does_not_wait_for_a_look(still: tuple[JobStore, CallbackStore], clock: Clock) -> None:
    jobs, callbacks = still
    look = await looking(jobs, clock)
    assert await callbacks.answer(Awaited(look.job_id, 0), answer(1)) is Outcome.ACCEPTED
    with pytest.raises(StaleRun):
        await jobs.apply(look.job_id, [Change("pending", "{}", "answered 2")], token=look.token)
    assert (await claimed(jobs)).answer == answer(1)


async def test_a_lost_look_takes_no_attempt(still: tuple[JobStore, CallbackStore], clock: Clock) -> None:
    jobs, _ = still
    look = await looking(jobs, clock, "600000 0 5000", max_attempts=1)
    await moved(clock, jobs, 66_000)
    again = await claimed(jobs)
    assert (again.looks, again.attempt, again.token != look.token) == (True, 1, True)


async def test_an_interrupted_look_is_made_up_for_at_once(still: tuple[JobStore, CallbackStore], clock: Clock) -> None:
    jobs, _ = still
    look = await looking(jobs, clock)
    await jobs.apply(look.job_id, [INTERRUPTED], token=look.token)
    assert (await claimed(jobs)).looks


async def test_a_wait_may_end_while_it_is_being_looked_for(still: tuple[JobStore, CallbackStore], clock: Clock) -> None:
    jobs, _ = still
    look = await looking(jobs, clock, "8000 0 5000")
    await moved(clock, jobs, 4_000)
    assert (await job_of(jobs, look.job_id)).status is Status.PROCESSING
    await jobs.apply(look.job_id, [Change("waiting", "{}")], token=look.token)
    await moved(clock, jobs, 0)
    assert told_of(await job_of(jobs, look.job_id))[0] == "callback_timeout"


async def test_a_wait_ends_also_where_nobody_comes_to_look(still: tuple[JobStore, CallbackStore], clock: Clock) -> None:
    jobs, _ = still
    run = await waiting_job(jobs, "20000 0 5000")
    await moved(clock, jobs, 20_000)
    assert told_of(await job_of(jobs, run.job_id))[0] == "callback_timeout"
    assert not (await jobs.claim("w", ["default"], 1, lease_ms=60_000, kinds=["k"])).runs


async def test_a_look_at_a_job_that_is_to_be_cancelled_ends_it(
    still: tuple[JobStore, CallbackStore], clock: Clock
) -> None:
    jobs, callbacks = still
    look = await looking(jobs, clock)
    await jobs.cancel(look.job_id, "me")
    assert await callbacks.answer(Awaited(look.job_id, 0), answer(1)) is Outcome.ACCEPTED
    assert (await job_of(jobs, look.job_id)).status is Status.PROCESSING
    await jobs.apply(look.job_id, [Change("waiting", "{}")], token=look.token)
    assert (await job_of(jobs, look.job_id)).status is Status.CANCELLED


async def test_what_was_no_answer_is_as_if_it_had_not_come(still: tuple[JobStore, CallbackStore], clock: Clock) -> None:
    jobs, callbacks = still
    run = await waiting_job(jobs, "60000 0 20000")
    deadline = (await jobs.read(run.job_id, after=2)).events[0].parsed()["deadline"]  # type: ignore[union-attr]
    await callbacks.answer(Awaited(run.job_id, 0), answer("forged"))
    resumed = await claimed(jobs)
    await moved(clock, jobs, 10_000)
    refused = Change("waiting", '{"for":"callback","deadline":"@"}', "refused")
    await jobs.apply(run.job_id, [refused], token=resumed.token)
    told = (await jobs.read(run.job_id, after=5)).events[0]  # type: ignore[union-attr]
    assert (told.type, told.parsed()["deadline"]) == ("waiting", deadline)
    await moved(clock, jobs, 10_000)
    look = await claimed(jobs)
    assert (look.looks, look.wait, look.answer) == (True, 0, None)
    assert await callbacks.answer(Awaited(run.job_id, 0), answer("true")) is Outcome.ACCEPTED
    again = await claimed(jobs)
    assert (again.attempt, again.answer) == (1, answer("true"))


async def test_of_an_answer_that_was_verified_the_headers_go(jobs: JobStore, callbacks: CallbackStore) -> None:
    run = await waiting_job(jobs)
    await callbacks.answer(Awaited(run.job_id, 0), answer(1))
    resumed = await claimed(jobs)
    await jobs.apply(run.job_id, [Change("log", "{}", "verified"), retry()], token=resumed.token)
    assert (await claimed(jobs)).answer == Answer(False, b"1", "")


async def test_a_new_series_of_attempts_begins_without_an_answer(jobs: JobStore, callbacks: CallbackStore) -> None:
    run = await waiting_job(jobs)
    await callbacks.answer(Awaited(run.job_id, 0), answer(1))
    resumed = await claimed(jobs)
    await jobs.apply(run.job_id, [failed()], token=resumed.token)
    await jobs.retry(run.job_id, "me")
    again = await claimed(jobs)
    assert (again.attempt, again.wait, again.answer) == (1, 1, None)


async def test_an_early_answer_is_still_there_in_a_new_series(jobs: JobStore, callbacks: CallbackStore) -> None:
    run = await running(jobs)
    await callbacks.answer(Awaited(run.job_id, 0), answer(1))
    await jobs.apply(run.job_id, [failed()], token=run.token)
    await jobs.retry(run.job_id, "me")
    again = await claimed(jobs)
    await jobs.apply(run.job_id, [waiting(60_000)], token=again.token)
    assert (await claimed(jobs)).answer == answer(1)


@pytest.mark.parametrize("spans", ["", "soon", "1 2 3 4", "1000 x", "-1", f"{'9' * 30}", "refused"])
async def test_a_wait_without_clocks_is_none(jobs: JobStore, spans: str) -> None:
    run = await running(jobs)
    with pytest.raises(Exception, match="not from processing"):
        await jobs.apply(run.job_id, [Change("waiting", '{"for":"callback"}', spans)], token=run.token)


async def test_the_answers_go_with_the_job(jobs: JobStore, callbacks: CallbackStore, redis: Redis) -> None:
    run = await waiting_job(jobs)
    await callbacks.answer(Awaited(run.job_id, 0), answer(1))
    key = f"tidings:{{{run.job_id}}}:answers"
    assert await redis.pttl(key) == -1
    await jobs.cancel(run.job_id, "me")
    assert await redis.pttl(key) > 0
    await jobs.purge(run.job_id)
    assert not await redis.exists(key)
    assert await accepted(jobs)
