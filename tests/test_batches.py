"""Batches in the store: accepted whole, made step by step whoever dies, and counted right at every turn."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import pytest
from redis.asyncio import Redis

from app.batches import Batch
from app.errors import (
    IdempotencyConflict,
    InvalidJob,
    NotRetryable,
    QueueFull,
    ResultExpired,
    StoreFull,
    SubmitTooFast,
    Unavailable,
    UnknownBatch,
)
from app.jobs import Job, Status, Submission, new_job_id
from app.limits import Admission, KeyRate
from app.store import BatchStore, Change, Filter, JobStore, Listing, Order, Run
from app.store.batches import PIECE_JOBS, STAGED_SECONDS
from tests.ground import OWNER, claimed, completed, failed, log, progress, retry, submission
from tests.working import job_of, sooner_or_later

DAY_MS: Final = 86_400_000
NONE: Final = dict.fromkeys(Status, 0)


@pytest.fixture
def batches(redis: Redis) -> BatchStore:
    return BatchStore(redis)


def order(size: int, *, key: str = "", fingerprint: str = "f", **fields: Any) -> Order:
    return Order(new_job_id(), OWNER, [submission(**fields) for _ in range(size)], key, fingerprint)


async def finished(batches: BatchStore, batch_id: str) -> None:
    """Nothing is left to be done in it."""
    more = True
    while more:
        _, more = await batches.work(batch_id)


async def made(batches: BatchStore, size: int, **fields: Any) -> str:
    """A batch that is accepted and all there."""
    accepted = await batches.accept(order(size, **fields))
    await finished(batches, accepted.batch.batch_id)
    return accepted.batch.batch_id


async def read(batches: BatchStore, batch_id: str) -> Batch:
    batch = await batches.read(batch_id)
    assert batch
    return batch


async def members(redis: Redis, batch_id: str) -> list[Job]:
    jobs = JobStore(redis)
    page = await Listing(redis, jobs).page(OWNER, Filter(batch_id=batch_id), limit=200)
    return list(page.jobs)


async def checked(redis: Redis, batch_id: str) -> Batch:
    """The batch, whose counts are those of its jobs."""
    batch = await read(BatchStore(redis), batch_id)
    jobs = await members(redis, batch_id)
    assert len(jobs) == batch.total
    assert batch.counts == NONE | {status: sum(job.status is status for job in jobs) for status in Status}
    assert batch.percent == pytest.approx(sum(map(percent_of, jobs)) / batch.total, abs=0.01)
    assert batch.ended == all(job.ended for job in jobs)
    return batch


def percent_of(job: Job) -> float:
    if job.ended:
        return 100
    running = job.status is Status.PROCESSING and job.progress
    return float(job.progress["percent"]) if running and job.progress else 0


async def keys_of(redis: Redis, batch_id: str) -> dict[str, int]:
    """What there is of it, and the TTL in ms; -1: for ever."""
    names = sorted(await redis.keys(f"tidings:batch:{{{batch_id}}}*"))
    return {name.decode().rpartition("}")[2]: await redis.pttl(name) for name in names}


async def runs_of(jobs: JobStore, most: int, **options: Any) -> Sequence[Run]:
    claims = await jobs.claim("w", ["default"], most, lease_ms=options.get("lease_ms", 60_000), kinds=["k"])
    return claims.runs


# Accepting


async def test_a_batch_is_accepted_before_its_jobs_are_made_and_counts_them_from_then_on(
    redis: Redis, batches: BatchStore
) -> None:
    accepted = await batches.accept(order(3))
    batch = accepted.batch
    assert batch == await read(batches, batch.batch_id)
    assert (batch.total, batch.counts, batch.ended) == (3, NONE | {Status.PENDING: 3}, False)
    assert await members(redis, batch.batch_id) == []
    await finished(batches, batch.batch_id)
    jobs = await members(redis, batch.batch_id)
    assert {job.batch_id for job in jobs} == {batch.batch_id}
    assert await checked(redis, batch.batch_id) == batch


async def test_its_jobs_are_what_was_submitted_in_its_order(redis: Redis, batches: BatchStore, jobs: JobStore) -> None:
    asked = [
        submission(tags=("a", "b"), metadata='{"x":1}', priority=3, params='{"n":"\\u0000"}'),
        submission(delay_ms=60_000, start_within_ms=1_000),
        submission(run_at_ms=4_000_000_000_000, kind="other", queue="other"),
    ]
    batch = (
        await BatchStore(redis, admission=Admission(longest_delay_ms=10**14)).accept(Order("b" * 26, OWNER, asked))
    ).batch
    await finished(batches, batch.batch_id)
    last, delayed, first = await members(redis, batch.batch_id)
    assert [last.job_id, delayed.job_id, first.job_id] == [s.job_id for s in reversed(asked)]
    assert (first.tags, first.metadata, first.priority) == (("a", "b"), {"x": 1}, 3)
    assert (await claimed(jobs)).params == '{"n":"\\u0000"}'
    assert delayed.retry_at == batch.created_at + 60_000
    assert (last.retry_at, last.kind, last.queue) == (4_000_000_000_000, "other", "other")


async def test_a_crash_before_it_is_accepted_leaves_nothing_after_a_while(redis: Redis, batches: BatchStore) -> None:
    class Dying(BatchStore):
        async def _commit(self, *_: Any, **__: Any) -> list[Any]:
            raise Unavailable

    asked = order(PIECE_JOBS + 1)
    with pytest.raises(Unavailable):
        await Dying(redis).accept(asked)
    (life,) = (await keys_of(redis, asked.batch_id)).values()
    assert 0 < life <= STAGED_SECONDS * 1000
    assert await batches.read(asked.batch_id) is None
    assert await batches.work() == ("", False)
    assert len(await redis.keys("*")) == 1


async def test_what_was_not_staged_whole_is_not_accepted(redis: Redis, batches: BatchStore) -> None:
    class Forgetful(BatchStore):
        async def _stage(self, batch_id: str, entries: Sequence[str]) -> None:
            await super()._stage(batch_id, entries[1:])

    asked = order(3)
    with pytest.raises(Unavailable):
        await Forgetful(redis).accept(asked)
    assert await redis.keys("*") == []


async def test_a_crash_after_it_was_accepted_leaves_the_rest_to_another_process(
    redis: Redis, batches: BatchStore
) -> None:
    batch_id = (await batches.accept(order(9))).batch.batch_id
    await batches.work(batch_id, most=4)
    assert len(await members(redis, batch_id)) == 4
    assert await batches.work() == ("", False)  # somebody may be at it

    async def adopted() -> bool:
        found, _ = await batches.work(most=2)
        return found == batch_id

    await sooner_or_later(adopted)
    await finished(batches, batch_id)
    await checked(redis, batch_id)
    assert not await redis.exists("tidings:chores")
    assert set(await keys_of(redis, batch_id)) == {"", ":jobs"}


async def test_any_number_may_be_at_work_on_it(redis: Redis, batches: BatchStore) -> None:
    batch_id = (await batches.accept(order(150))).batch.batch_id
    await asyncio.gather(*(finished(batches, batch_id) for _ in range(8)))
    await checked(redis, batch_id)
    assert await redis.hgetall("tidings:counts") == {b"live": b"150"}  # type: ignore[misc]  # redis-py


async def test_what_has_not_been_made_yet_counts_against_the_bounds(redis: Redis) -> None:
    for admission, refusal in [
        (Admission(most_live_per_owner=5), QueueFull),
        (Admission(most_live=5), StoreFull),
    ]:
        batches, jobs = BatchStore(redis, admission=admission), JobStore(redis, admission=admission)
        with pytest.raises(refusal):
            await batches.accept(order(6))
        assert await redis.keys("*{*") == []
        await batches.accept(order(4))
        with pytest.raises(refusal):
            await batches.accept(order(2))
        await jobs.submit(submission())
        with pytest.raises(refusal):
            await jobs.submit(submission())
        await redis.flushall()


async def test_a_batch_costs_as_many_submissions_as_it_has_jobs(redis: Redis) -> None:
    batches = BatchStore(redis, admission=Admission(submits_per_minute=10))
    assert (await batches.accept(order(7))).allowance.left == 3
    with pytest.raises(SubmitTooFast) as refused:
        await batches.accept(order(5))
    assert 6 < int(refused.value.headers["Retry-After"]) <= 12
    assert (await batches.accept(order(3))).allowance.left == 0


async def test_a_batch_beyond_the_whole_quota_needs_all_of_it_and_is_owed(redis: Redis) -> None:
    admission = Admission(submits_per_minute=10)
    batches, jobs = BatchStore(redis, admission=admission), JobStore(redis, admission=admission)
    accepted = await batches.accept(order(30))
    assert accepted.allowance.left == 0
    with pytest.raises(SubmitTooFast) as refused:
        await jobs.submit(submission())
    assert 120 < int(refused.value.headers["Retry-After"]) <= 126


async def test_what_the_owner_is_refused_costs_its_key_nothing_also_where_it_had_all_of_it_left(redis: Redis) -> None:
    batches, rate = BatchStore(redis, admission=Admission(submits_per_minute=10)), KeyRate("key", 5)
    await batches.accept(order(7))
    with pytest.raises(SubmitTooFast):
        await batches.accept(order(5), rate)
    assert (await batches.accept(order(2), rate)).allowance.left == 3


async def test_what_is_to_run_too_late_is_named(redis: Redis, batches: BatchStore) -> None:
    asked = [submission(), submission(run_at_ms=4_102_444_800_000), submission()]
    with pytest.raises(InvalidJob) as refused:
        await batches.accept(Order(new_job_id(), OWNER, asked))
    assert refused.value.members["errors"][0]["pointer"] == "/jobs/1/run_at"
    assert await redis.keys("*") == []


async def test_a_repeat_is_answered_as_the_first_was_and_makes_nothing(redis: Redis, batches: BatchStore) -> None:
    first = await batches.accept(order(2, key="one"))
    await finished(batches, first.batch.batch_id)
    await batches.cancel(first.batch.batch_id, OWNER)
    again = await batches.accept(order(2, key="one"))
    assert (again.replayed, again.batch, again.key_expires_at) == (True, first.batch, first.key_expires_at)
    assert len(await redis.keys("tidings:batch:*")) == 2
    assert await batches.recall(order(2, key="one")) == again
    assert await batches.recall(order(2, key="two")) is None


async def test_a_key_stands_for_one_request_be_it_a_job_or_a_batch(batches: BatchStore, jobs: JobStore) -> None:
    await batches.accept(order(2, key="one"))
    await jobs.submit(submission(idempotency_key="two", fingerprint="job"))
    for key in ("one", "two"):
        other = order(2, key=key, fingerprint="other")
        for attempt in (batches.accept, batches.recall):
            with pytest.raises(IdempotencyConflict):
                await attempt(other)
        with pytest.raises(IdempotencyConflict):
            await jobs.submit(submission(idempotency_key=key, fingerprint="another"))


async def test_the_same_key_from_twenty_at_once_makes_one_batch(redis: Redis, batches: BatchStore) -> None:
    answers = await asyncio.gather(*(batches.accept(order(3, key="one")) for _ in range(20)))
    assert len({answer.batch.batch_id for answer in answers}) == 1
    assert [answer.replayed for answer in answers].count(False) == 1
    assert await redis.zcard("tidings:chores") == 1
    assert len(await redis.keys("tidings:batch:*:staged")) == 1


# Counting


async def test_the_counts_follow_every_move_of_every_job(redis: Redis, batches: BatchStore, jobs: JobStore) -> None:
    batch_id = await made(batches, 5, max_attempts=2)
    first, second, third, fourth, fifth = await runs_of(jobs, 5, lease_ms=60_000)
    seqs = [(await checked(redis, batch_id)).seq]

    async def apply(run: Run, *changes: Change) -> None:
        await jobs.apply(run.job_id, changes, token=run.token)
        seqs.append((await checked(redis, batch_id)).seq)

    await apply(first, progress(12.34), progress(50), log("x"))
    await apply(second, progress(99.99))
    await apply(second, retry())
    await apply(third, progress(30), failed())
    await apply(fourth, Change("waiting", '{"for":"callback","deadline":"@"}', "60000"))
    await apply(first, completed())
    await jobs.cancel(fourth.job_id, OWNER)
    await jobs.cancel(fifth.job_id, OWNER)
    await checked(redis, batch_id)
    await apply(fifth, retry())  # asked to stop, and it has
    (again,) = await runs_of(jobs, 1)
    assert again.job_id == second.job_id
    await apply(again, completed())
    batch = await checked(redis, batch_id)
    assert batch.counts == {"pending": 0, "processing": 0, "completed": 2, "failed": 1, "cancelled": 2}
    assert (batch.ended, batch.percent) == (True, 100)
    assert seqs == sorted(seqs)


async def test_a_lost_worker_and_a_start_that_came_too_late_are_counted(
    redis: Redis, batches: BatchStore, jobs: JobStore
) -> None:
    once = submission(max_attempts=1)
    asked: list[Submission] = [once, submission(), submission(start_within_ms=1, kind="late")]
    batch_id = (await batches.accept(Order(new_job_id(), OWNER, asked))).batch.batch_id
    await finished(batches, batch_id)
    for run in await runs_of(jobs, 2, lease_ms=1):
        await jobs.apply(run.job_id, [progress(40)], token=run.token)

    async def settled() -> bool:
        await jobs.settle_overdue()
        return (await read(batches, batch_id)).counts[Status.FAILED] == 2

    await sooner_or_later(settled)
    batch = await checked(redis, batch_id)
    assert (batch.counts[Status.PENDING], batch.percent) == (1, 66.67)


async def test_a_change_costs_the_same_however_many_jobs_there_are(
    redis: Redis, batches: BatchStore, jobs: JobStore
) -> None:
    async def commands() -> int:
        stats = await redis.info("commandstats")
        return int(sum(stat["calls"] for name, stat in stats.items() if not name.startswith("cmdstat_info")))

    async def cost(size: int) -> int:
        await redis.flushall()
        await made(batches, size)
        run = await claimed(jobs)
        before = await commands()
        await jobs.apply(run.job_id, [progress(5)], token=run.token)
        await jobs.apply(run.job_id, [failed()], token=run.token)
        return await commands() - before

    assert await cost(2) == await cost(300)


async def test_a_job_of_no_batch_costs_nothing_more(redis: Redis, jobs: JobStore) -> None:
    await jobs.submit(submission())
    run = await claimed(jobs)
    await jobs.apply(run.job_id, [progress(5), completed()], token=run.token)
    record: dict[bytes, bytes] = await redis.hgetall(f"tidings:{{{run.job_id}}}:job")  # type: ignore[misc]  # redis-py
    assert not record.keys() & {b"batch", b"percent"}
    assert await redis.keys("tidings:batch*") == []


async def test_each_change_is_published_under_its_seq(redis: Redis, batches: BatchStore, jobs: JobStore) -> None:
    batch_id = await made(batches, 1)
    async with redis.pubsub() as listening:
        await listening.subscribe(f"tidings:batch:{batch_id}")
        run = await claimed(jobs)
        await jobs.apply(run.job_id, [progress(5), progress(5), log("x")], token=run.token)
        await jobs.apply(run.job_id, [completed()], token=run.token)
        await redis.publish(f"tidings:batch:{batch_id}", "end")
        told = []
        async for message in listening.listen():
            if message["data"] == b"end":
                break
            told.append(message["data"])
    assert told == [1, b"2", b"3", b"4"]


async def test_a_purged_job_leaves_the_list_and_not_the_counts(
    redis: Redis, batches: BatchStore, jobs: JobStore
) -> None:
    batch_id = await made(batches, 2)
    run = await claimed(jobs)
    await jobs.apply(run.job_id, [failed()], token=run.token)
    before = await read(batches, batch_id)
    assert await jobs.purge(run.job_id)
    assert await read(batches, batch_id) == before
    assert [job.status for job in await members(redis, batch_id)] == [Status.PENDING]
    await batches.retry(batch_id, OWNER)
    await finished(batches, batch_id)
    assert (await read(batches, batch_id)).counts == before.counts


async def test_a_job_that_is_given_up_has_failed_for_its_batch(
    redis: Redis, batches: BatchStore, jobs: JobStore
) -> None:
    batch_id = await made(batches, 2)
    bad, _ = await members(redis, batch_id)
    await redis.hdel(f"tidings:{{{bad.job_id}}}:job", "timeout")  # type: ignore[misc]  # redis-py
    (run,) = await runs_of(jobs, 2)
    await jobs.apply(run.job_id, [completed()], token=run.token)
    batch = await read(batches, batch_id)
    assert batch.counts == NONE | {Status.COMPLETED: 1, Status.FAILED: 1}
    assert batch.ended


# Cancelling and running again


async def test_cancelling_ends_all_that_has_not_ended(redis: Redis, batches: BatchStore, jobs: JobStore) -> None:
    batch_id = await made(batches, 60)
    done, running = await runs_of(jobs, 2)
    await jobs.apply(done.job_id, [completed()], token=done.token)
    await batches.cancel(batch_id, OWNER)
    await batches.cancel(batch_id, OWNER)
    assert (await read(batches, batch_id)).cancel_requested_at
    await finished(batches, batch_id)
    batch = await checked(redis, batch_id)
    assert batch.counts == NONE | {Status.COMPLETED: 1, Status.PROCESSING: 1, Status.CANCELLED: 58}
    assert (await job_of(jobs, running.job_id)).cancel_requested_at
    await jobs.apply(running.job_id, [Change("cancelled", "{}")], token=running.token)
    assert (await checked(redis, batch_id)).ended


async def test_what_is_not_made_yet_is_made_as_cancelled_jobs(redis: Redis, batches: BatchStore) -> None:
    batch_id = (await batches.accept(order(70))).batch.batch_id
    await batches.work(batch_id, most=10)
    await batches.cancel(batch_id, OWNER)
    await finished(batches, batch_id)
    assert (await checked(redis, batch_id)).counts == NONE | {Status.CANCELLED: 70}
    assert await redis.keys("tidings:lane:*") == []
    assert not await redis.exists("tidings:counts")


async def test_running_the_failed_again_leaves_the_others_alone(
    redis: Redis, batches: BatchStore, jobs: JobStore
) -> None:
    batch_id = await made(batches, 60)
    runs = await runs_of(jobs, 60)
    for number, run in enumerate(runs):
        await jobs.apply(run.job_id, [completed() if number % 3 else failed()], token=run.token)
    await batches.cancel(batch_id, OWNER)
    before = await checked(redis, batch_id)
    await batches.retry(batch_id, OWNER)
    await batches.retry(batch_id, OWNER)
    assert not (await read(batches, batch_id)).ended
    await finished(batches, batch_id)
    batch = await checked(redis, batch_id)
    assert batch.counts == NONE | {Status.COMPLETED: 40, Status.PENDING: 20}
    assert batch.seq > before.seq
    for run in await runs_of(jobs, 60):
        await jobs.apply(run.job_id, [completed()], token=run.token)
    assert (await checked(redis, batch_id)).counts == NONE | {Status.COMPLETED: 60}


async def test_what_was_cancelled_is_not_run_again_with_the_failed(
    redis: Redis, batches: BatchStore, jobs: JobStore
) -> None:
    batch_id = await made(batches, 3)
    run = await claimed(jobs)
    await jobs.apply(run.job_id, [failed()], token=run.token)
    await batches.cancel(batch_id, OWNER)
    await batches.retry(batch_id, OWNER)  # asked for before the first was carried out
    await finished(batches, batch_id)
    batch = await checked(redis, batch_id)
    assert batch.counts == NONE | {Status.PENDING: 1, Status.CANCELLED: 2}
    assert batch.cancel_requested_at is None


async def test_a_cancel_takes_back_a_retry_that_is_under_way(redis: Redis, batches: BatchStore, jobs: JobStore) -> None:
    batch_id = await made(batches, 4)
    for run in await runs_of(jobs, 4):
        await jobs.apply(run.job_id, [failed()], token=run.token)
    await batches.retry(batch_id, OWNER)
    await batches.work(batch_id, most=2)
    await batches.cancel(batch_id, OWNER)
    await finished(batches, batch_id)
    assert (await checked(redis, batch_id)).counts == NONE | {Status.CANCELLED: 2, Status.FAILED: 2}


async def test_a_crash_during_a_cancel_leaves_the_rest_to_another_process(redis: Redis, batches: BatchStore) -> None:
    batch_id = await made(batches, 9)
    await batches.cancel(batch_id, OWNER)
    await batches.work(batch_id, most=4)

    async def carried_on() -> bool:
        await batches.work(most=2)
        return (await read(batches, batch_id)).ended

    await sooner_or_later(carried_on)
    await checked(redis, batch_id)


async def test_a_job_run_again_by_itself_brings_its_batch_back_to_life(
    redis: Redis, batches: BatchStore, jobs: JobStore
) -> None:
    batch_id = await made(batches, 1)
    run = await claimed(jobs)
    await jobs.apply(run.job_id, [failed()], token=run.token)
    assert min((await keys_of(redis, batch_id)).values()) > 0
    await jobs.retry(run.job_id, OWNER)
    batch = await checked(redis, batch_id)
    assert (batch.percent, batch.expires_at, batch.finished_at) == (0, None, None)
    assert set((await keys_of(redis, batch_id)).values()) == {-1}


async def test_what_cannot_be_done_is_refused(redis: Redis, batches: BatchStore, jobs: JobStore) -> None:
    batch_id = await made(batches, 2, result_ttl_ms=1)
    for command in (batches.cancel, batches.retry):
        for unknown, owner in ((new_job_id(), OWNER), (batch_id, "another")):
            with pytest.raises(UnknownBatch):
                await command(unknown, owner)
    with pytest.raises(NotRetryable):
        await batches.retry(batch_id, OWNER)
    for run in await runs_of(jobs, 2):
        await jobs.apply(run.job_id, [failed()], token=run.token)
    await redis.hset(f"tidings:batch:{{{batch_id}}}", "expires", "1")  # type: ignore[misc]  # redis-py
    with pytest.raises(ResultExpired):
        await batches.retry(batch_id, OWNER)
    before = await read(batches, batch_id)
    await batches.cancel(batch_id, OWNER)
    assert await read(batches, batch_id) == before


async def test_a_retry_that_would_be_too_many_is_refused_whole(redis: Redis, jobs: JobStore) -> None:
    batches = BatchStore(redis, admission=Admission(most_live_per_owner=3))
    batch_id = await made(batches, 3)
    for run in await runs_of(jobs, 3):
        await jobs.apply(run.job_id, [failed()], token=run.token)
    await jobs.submit(submission())
    with pytest.raises(QueueFull):
        await batches.retry(batch_id, OWNER)
    assert (await checked(redis, batch_id)).ended


# Keeping


async def test_its_keys_go_a_day_after_the_longest_of_its_results(
    redis: Redis, batches: BatchStore, jobs: JobStore
) -> None:
    asked = [submission(result_ttl_ms=ttl) for ttl in (1_000, 500_000, 2_000)]
    batch_id = (await batches.accept(Order(new_job_id(), OWNER, asked))).batch.batch_id
    await finished(batches, batch_id)
    assert set((await keys_of(redis, batch_id)).values()) == {-1}
    for run in await runs_of(jobs, 3):
        await jobs.apply(run.job_id, [failed()], token=run.token)
    batch = await read(batches, batch_id)
    assert batch.finished_at
    assert batch.expires_at == batch.finished_at + 500_000
    lives = await keys_of(redis, batch_id)
    assert set(lives) == {"", ":jobs"}
    assert all(0 < life - DAY_MS <= 500_000 for life in lives.values())
    await batches.retry(batch_id, OWNER)
    assert set((await keys_of(redis, batch_id)).values()) == {-1}


async def test_a_batch_whose_time_is_over_does_not_come_back_by_its_jobs(
    redis: Redis, batches: BatchStore, jobs: JobStore
) -> None:
    batch_id = await made(batches, 1)
    run = await claimed(jobs)
    await redis.delete(f"tidings:batch:{{{batch_id}}}", f"tidings:batch:{{{batch_id}}}:jobs")
    await jobs.apply(run.job_id, [progress(3), failed()], token=run.token)
    assert (await job_of(jobs, run.job_id)).status is Status.FAILED
    assert await redis.keys("tidings:batch:*") == []
    assert await batches.read(batch_id) is None


async def test_its_jobs_are_listed_newest_first_page_after_page(redis: Redis, batches: BatchStore) -> None:
    batch_id = await made(batches, 23)
    await made(batches, 2)
    listing = Listing(redis, JobStore(redis))
    found: list[Job] = []
    cursor: str | None = None
    while True:
        page = await listing.page(OWNER, Filter(batch_id=batch_id), limit=5, cursor=cursor)
        found += page.jobs
        cursor = page.next_cursor
        if cursor is None:
            break
    ids = await redis.zrevrange(f"tidings:batch:{{{batch_id}}}:jobs", 0, -1)
    assert [job.job_id for job in found] == [job_id.decode() for job_id in ids]
    assert len(found) == 23
    for wanted, owner in (
        (Filter(batch_id=batch_id), "another"),
        (Filter(batch_id=new_job_id()), OWNER),
        (Filter(batch_id=batch_id, statuses=frozenset({"failed"})), OWNER),
        (Filter(batch_id=batch_id, created_after_ms=found[0].created_at), OWNER),
    ):
        assert (await listing.page(owner, wanted, limit=50)).jobs == ()
