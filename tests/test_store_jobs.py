import asyncio
import re

import pytest
from redis.asyncio import Redis

from app.clock import rfc3339
from app.errors import IdempotencyConflict, IllegalChange, StaleRun, Unavailable, UnknownJob
from app.events import KEPT, json_text
from app.jobs import SUCCESSORS, TERMINAL, Job, Status, new_job_id
from app.store import Change, JobStore, View
from tests.ground import (
    INTERRUPTED,
    OWNER,
    accepted,
    claimed,
    completed,
    failed,
    log,
    progress,
    retry,
    running,
    submission,
    waiting,
)


async def view(jobs: JobStore, job_id: str, after: int | None = 0) -> View:
    found = await jobs.read(job_id, after=after)
    assert found
    return found


async def job(jobs: JobStore, job_id: str) -> Job:
    return (await view(jobs, job_id)).job


async def types(jobs: JobStore, job_id: str) -> list[str]:
    return [event.type for event in (await view(jobs, job_id)).events]


async def until_claimable(jobs: JobStore, *, lease_ms: int = 60_000) -> None:
    """Claim as soon as something is due."""
    while not (await jobs.claim("next", ["default"], 1, lease_ms=lease_ms, kinds=["k"])).runs:
        await asyncio.sleep(0.005)


async def test_an_accepted_job_is_wholly_there(jobs: JobStore, redis: Redis) -> None:
    job_id = await accepted(jobs, tags=("a", "b c"))
    found = await view(jobs, job_id)
    assert found.job.status is Status.PENDING
    assert found.job.tags == ("a", "b c")
    assert found.job.position == 0
    assert [(e.seq, e.type, e.parsed()) for e in found.events] == [(1, "pending", {"reason": "submitted"})]
    assert await redis.exists(f"arq:job:{job_id}")
    assert await redis.zcard("tidings:lane:default:k:default") == 1
    assert await redis.exists("tidings:nudge:default")


async def test_the_same_idempotency_key_gives_the_same_job_even_to_fifty_at_once(jobs: JobStore, redis: Redis) -> None:
    replies = await asyncio.gather(
        *(jobs.submit(submission(idempotency_key="once", fingerprint="f")) for _ in range(50))
    )
    assert len({reply.job.job_id for reply in replies}) == 1
    assert [reply.replayed for reply in replies].count(False) == 1
    assert await redis.zcard("tidings:lane:default:k:default") == 1


async def test_an_idempotency_key_used_for_something_else_is_refused(jobs: JobStore) -> None:
    await jobs.submit(submission(idempotency_key="once", fingerprint="f"))
    with pytest.raises(IdempotencyConflict):
        await jobs.submit(submission(idempotency_key="once", fingerprint="g"))
    await jobs.submit(submission(idempotency_key="once", fingerprint="g", owner="another"))


async def test_owners_never_share_an_idempotency_key(jobs: JobStore) -> None:
    first = await jobs.submit(submission(owner="a:b", idempotency_key="c", fingerprint="f"))
    second = await jobs.submit(submission(owner="a", idempotency_key="b:c", fingerprint="f"))
    assert (second.job.owner, second.replayed) == ("a", False)
    assert second.job.job_id != first.job.job_id


@pytest.mark.parametrize(
    "fields", [{"result_ttl_ms": 10**19}, {"delay_ms": 10**19}, {"start_within_ms": 10**19}], ids=str
)
async def test_a_time_beyond_reason_leaves_nothing_of_a_submission(
    jobs: JobStore, redis: Redis, fields: dict[str, int]
) -> None:
    with pytest.raises(Unavailable):
        await jobs.submit(submission(idempotency_key="once", fingerprint="f", **fields))
    assert await redis.keys() == []


async def test_an_idempotency_ttl_beyond_reason_leaves_nothing_of_a_submission(redis: Redis) -> None:
    with pytest.raises(Unavailable):
        await JobStore(redis, idempotency_ttl_ms=10**19).submit(submission(idempotency_key="once", fingerprint="f"))
    assert await redis.keys() == []


async def test_a_claim_gives_each_job_to_one_worker_with_a_fresh_token(jobs: JobStore) -> None:
    ids = {await accepted(jobs) for _ in range(20)}
    claims = await asyncio.gather(
        *(jobs.claim(f"w{n}", ["default"], 5, lease_ms=60_000, kinds=["k"]) for n in range(6))
    )
    runs = [run for claim in claims for run in claim.runs]
    assert sorted(run.job_id for run in runs) == sorted(ids)
    assert len({run.token for run in runs}) == 20


async def test_queues_are_looked_through_in_the_order_given(jobs: JobStore) -> None:
    low, high = await accepted(jobs, queue="low"), await accepted(jobs, queue="high")
    claims = await jobs.claim("w", ["high", "low"], 1, lease_ms=60_000, kinds=["k"])
    assert [run.job_id for run in claims.runs] == [high]
    assert (await job(jobs, low)).status is Status.PENDING


async def test_a_delayed_job_is_not_claimed_before_its_time(jobs: JobStore) -> None:
    await accepted(jobs, delay_ms=60_000)
    claims = await jobs.claim("w", ["default"], 1, lease_ms=60_000, kinds=["k"])
    assert not claims.runs
    assert claims.next_due_ms is not None
    assert 50_000 < claims.next_due_ms <= 60_000


async def test_a_delayed_job_has_its_place_in_the_queue_from_its_time_on(jobs: JobStore) -> None:
    await accepted(jobs)
    delayed = await accepted(jobs, delay_ms=50)
    assert (await job(jobs, delayed)).position is None
    while (found := await job(jobs, delayed)).as_of < (found.retry_at or 0):
        await asyncio.sleep(0.005)
    await jobs.claim("full", ["default"], 0, lease_ms=1, kinds=["k"])
    assert (await job(jobs, delayed)).position == 1


async def test_of_progress_only_the_latest_is_kept_and_shown(jobs: JobStore) -> None:
    run = await running(jobs)
    await jobs.apply(run.job_id, [progress(1), log("x"), progress(2)], token=run.token)
    await jobs.apply(run.job_id, [progress(3)], token=run.token)
    assert await types(jobs, run.job_id) == ["pending", "processing", "log", "progress"]
    shown = await job(jobs, run.job_id)
    assert shown.progress
    assert shown.progress["percent"] == 3
    assert shown.seq == 6


async def test_the_log_is_trimmed_from_its_oldest_end_but_not_of_lifecycle(redis: Redis) -> None:
    jobs = JobStore(redis, max_log_events=10)
    run = await running(jobs)
    await jobs.apply(run.job_id, [progress(1), *(log(str(n)) for n in range(30))], token=run.token)
    await jobs.apply(run.job_id, [completed()], token=run.token)
    found = await view(jobs, run.job_id)
    kept = [event.type for event in found.events]
    assert len(kept) == 10
    assert kept[:3] == ["pending", "processing", "progress"]
    assert kept[-1] == "completed"
    first_log = next(event for event in found.events if event.type not in KEPT)
    assert found.job.trimmed_seq == first_log.seq - 1


async def test_of_a_file_that_is_saved_again_and_again_the_log_keeps_the_latest(redis: Redis) -> None:
    jobs = JobStore(redis, max_log_events=4)
    run = await running(jobs)
    entry = {"name": "a", "size": 1, "content_type": "text/plain", "sha256": "0", "key": "a"}
    saved = Change("artifact", json_text(entry), json_text(entry))
    await jobs.apply(run.job_id, [saved, saved, saved, log("x")], token=run.token)
    assert await types(jobs, run.job_id) == ["pending", "processing", "artifact", "log"]
    shown = await job(jobs, run.job_id)
    assert ([file.name for file in shown.artifacts], shown.trimmed_seq) == (["a"], 4)


async def test_a_job_that_is_held_again_and_again_has_a_bounded_log(redis: Redis) -> None:
    jobs = JobStore(redis, max_log_events=8)
    held = await accepted(jobs)
    for _ in range(10):
        await jobs.suspend(held, OWNER, 60_000)
        await jobs.resume(held, OWNER)
    assert await types(jobs, held) == ["pending", *["resumed", "suspended"] * 3, "resumed"]
    assert (await job(jobs, held)).trimmed_seq == 14


async def test_where_lifecycle_alone_is_too_long_its_oldest_quarter_goes(redis: Redis) -> None:
    jobs = JobStore(redis, max_log_events=8)
    stopped = await accepted(jobs)
    for _ in range(4):
        await jobs.cancel(stopped, OWNER)
        await jobs.retry(stopped, OWNER)
    assert await types(jobs, stopped) == ["cancelled", "pending"] * 3
    assert (await job(jobs, stopped)).trimmed_seq == 3


@pytest.mark.parametrize(
    "end",
    [completed({"x": 1}), failed(), Change("cancelled", '{"by":"default","stage":"processing"}')],
    ids=lambda change: change.type,
)
async def test_an_end_releases_everything_and_every_key_has_a_ttl_or_a_sweeper(
    jobs: JobStore, redis: Redis, end: Change
) -> None:
    run = await running(jobs, result_ttl_ms=50_000)
    await jobs.apply(run.job_id, [end], token=run.token)
    ended = await job(jobs, run.job_id)
    assert ended.status == end.type
    assert ended.finished_at
    assert ended.expires_at == ended.finished_at + 50_000
    assert not await redis.exists("tidings:queue:default", "tidings:counts", "tidings:running", "tidings:deadlines")
    assert not await redis.exists(f"arq:job:{run.job_id}")
    assert not await redis.exists(f"tidings:active:{OWNER}")
    swept = {b"tidings:owners", f"tidings:owner:{OWNER}".encode(), b"tidings:watch", b"tidings:reached"}
    async for key in redis.scan_iter("*"):
        assert key in swept or await redis.ttl(key) > 0, key


@pytest.mark.parametrize("status", sorted(TERMINAL))
async def test_nothing_follows_an_end(jobs: JobStore, status: Status) -> None:
    run = await running(jobs)
    data = '{"error":{}}' if status is Status.FAILED else '{"by":"x","stage":"processing"}'
    await jobs.apply(run.job_id, [Change(status, data)], token=run.token)
    before = await view(jobs, run.job_id)
    for change in (completed(), failed(), retry(), log("late"), progress(5)):
        with pytest.raises(StaleRun):
            await jobs.apply(run.job_id, [change], token=run.token)
        with pytest.raises(IllegalChange):
            await jobs.apply(run.job_id, [change])
    assert await view(jobs, run.job_id) == before


async def test_every_pair_outside_the_table_is_refused_by_the_script(jobs: JobStore) -> None:
    for status, following in SUCCESSORS.items():
        for target in set(Status) - following:
            run = await running(jobs)
            match status:
                case Status.PENDING:
                    await jobs.apply(run.job_id, [retry(60_000)], token=run.token)
                case Status.PROCESSING:
                    pass
                case _:
                    await jobs.apply(run.job_id, [Change(status, '{"by":"x"}')], token=run.token)
            with pytest.raises((IllegalChange, StaleRun)):
                await jobs.apply(run.job_id, [Change(target, "{}", "0")], token=run.token)
            with pytest.raises((IllegalChange, StaleRun)):
                await jobs.apply(run.job_id, [Change(target, "{}", "0")])


async def test_a_part_of_a_run_that_was_written_before_is_not_written_again(jobs: JobStore) -> None:
    run = await running(jobs)
    first = await jobs.apply(run.job_id, [log("a"), progress(1)], token=run.token, part=1)
    assert await jobs.apply(run.job_id, [log("a"), progress(1)], token=run.token, part=1) == first
    await jobs.apply(run.job_id, [log("b")], token=run.token, part=2)
    assert await types(jobs, run.job_id) == ["pending", "processing", "log", "progress", "log"]


async def test_the_parts_of_each_run_count_from_one(jobs: JobStore) -> None:
    run = await running(jobs)
    await jobs.apply(run.job_id, [log("a"), retry(0)], token=run.token, part=1)
    again = await claimed(jobs)
    await jobs.apply(run.job_id, [log("b")], token=again.token, part=1)
    assert [event.parsed()["line"] for event in (await view(jobs, run.job_id)).events if event.type == "log"] == [
        "a",
        "b",
    ]


async def test_a_change_of_status_comes_last_or_nothing_is_written(jobs: JobStore) -> None:
    run = await running(jobs)
    before = await view(jobs, run.job_id)
    with pytest.raises(IllegalChange):
        await jobs.apply(run.job_id, [completed(), log("after the end")], token=run.token)
    assert await view(jobs, run.job_id) == before


async def test_a_request_to_cancel_comes_alone_or_nothing_is_written(jobs: JobStore) -> None:
    job_id = await accepted(jobs)
    before = await view(jobs, job_id)
    with pytest.raises(IllegalChange):
        await jobs.apply(job_id, [Change("cancel_requested", '{"by":"x"}'), failed()])
    assert await view(jobs, job_id) == before


@pytest.mark.parametrize(
    "change",
    [
        *(Change("pending", '{"reason":"retry","retry_at":"@"}', ms) for ms in ("", "x", "-1", "1.5", "nan", "1e9")),
        Change("pending", '{"reason":"retry","retry_at":"@"}', str(10**14)),
        Change("pending", '{"reason":"retry","retry_at":"@"}', str(10**400)),
        Change("waiting", '{"for":"callback","deadline":"@"}', "soon"),
        Change("waiting", '{"deadline":"@"}', "1000"),
        Change("waiting", "no JSON", "1000"),
        Change("artifact", "{}", ""),
        Change("artifact", "{}", "[]"),
        Change("artifact", "{}", '"name"'),
        Change("artifact", "{}", '{"name":1}'),
        Change("artifact", "{}", "{"),
        Change("cancel_requested", "no JSON"),
    ],
    ids=lambda change: f"{change.type} {change.argument[:20] or change.data}",
)
async def test_what_cannot_be_carried_out_is_refused_before_anything_is_written(
    jobs: JobStore, redis: Redis, change: Change
) -> None:
    run = await running(jobs)
    before, keys = await view(jobs, run.job_id), sorted(await redis.keys("tidings:{*"))
    with pytest.raises(IllegalChange):
        await jobs.apply(run.job_id, [log("before"), change], token=run.token)
    assert await view(jobs, run.job_id) == before
    assert sorted(await redis.keys("tidings:{*")) == keys


async def test_an_expired_lease_makes_the_job_run_again_and_fences_off_the_first_worker(jobs: JobStore) -> None:
    job_id = await accepted(jobs)
    first = await claimed(jobs, "first", lease_ms=1)
    await until_claimable(jobs)
    assert await types(jobs, job_id) == ["pending", "processing", "pending", "processing"]
    assert (await job(jobs, job_id)).attempt == 2
    with pytest.raises(StaleRun):
        await jobs.apply(job_id, [completed()], token=first.token)
    assert (await jobs.renew({job_id: first.token}, lease_ms=60_000)).lost == {job_id}


async def test_a_worker_lost_on_the_last_attempt_fails_the_job(jobs: JobStore) -> None:
    job_id = await accepted(jobs, max_attempts=1)
    await claimed(jobs, lease_ms=1)
    while not (await job(jobs, job_id)).ended:
        await jobs.claim("next", ["default"], 1, lease_ms=60_000, kinds=["k"])
    ended = await job(jobs, job_id)
    assert ended.status is Status.FAILED
    assert ended.error
    assert ended.error["code"] == "worker_lost"


async def test_a_renewed_lease_keeps_the_job(jobs: JobStore) -> None:
    job_id = await accepted(jobs)
    run = await claimed(jobs, lease_ms=50)
    renewal = await jobs.renew({job_id: run.token}, lease_ms=60_000)
    assert (renewal.lost, renewal.cancelled) == (frozenset(), frozenset())
    claims = await jobs.claim("next", ["default"], 1, lease_ms=60_000, kinds=["k"])
    assert not claims.runs
    assert (claims.next_due_ms or 0) > 1_000


async def test_a_renewal_brings_a_lost_deadline_back(jobs: JobStore, redis: Redis) -> None:
    job_id = await accepted(jobs)
    run = await claimed(jobs)
    await redis.zrem("tidings:deadlines", job_id)
    await jobs.renew({job_id: run.token}, lease_ms=1)
    await until_claimable(jobs)
    assert (await job(jobs, job_id)).attempt == 2


async def test_a_retry_waits_its_delay_and_says_until_when(jobs: JobStore) -> None:
    run = await running(jobs)
    await jobs.apply(run.job_id, [retry(30_000)], token=run.token)
    found = await view(jobs, run.job_id)
    assert found.job.retry_at
    assert found.events[-1].parsed() == {"reason": "retry", "retry_at": rfc3339(found.job.retry_at)}
    assert found.job.retry_at == found.events[-1].at + 30_000
    assert not (await jobs.claim("next", ["default"], 1, lease_ms=1, kinds=["k"])).runs


async def test_an_interruption_consumes_no_attempt(jobs: JobStore) -> None:
    run = await running(jobs, max_attempts=1)
    await jobs.apply(run.job_id, [INTERRUPTED], token=run.token)
    assert (await job(jobs, run.job_id)).attempt == 0
    again = await claimed(jobs)
    assert again.attempt == 1


async def test_a_wait_holds_no_lease_and_fails_at_its_deadline(jobs: JobStore) -> None:
    run = await running(jobs)
    await jobs.apply(run.job_id, [waiting(1)], token=run.token)
    assert (await job(jobs, run.job_id)).waiting_for == "callback"
    assert (await jobs.renew({run.job_id: run.token}, lease_ms=60_000)).lost == {run.job_id}
    while not (await job(jobs, run.job_id)).ended:
        await jobs.claim("next", ["default"], 1, lease_ms=60_000, kinds=["k"])
    error = (await job(jobs, run.job_id)).error
    assert error
    assert error["code"] == "callback_timeout"


async def test_cancelling_what_no_worker_holds_ends_it_at_once(jobs: JobStore) -> None:
    pending = await accepted(jobs)
    assert await jobs.cancel(pending, OWNER) is Status.CANCELLED
    run = await running(jobs)
    await jobs.apply(run.job_id, [waiting(60_000)], token=run.token)
    assert await jobs.cancel(run.job_id, OWNER) is Status.CANCELLED
    stages = [(await view(jobs, i)).events[-1].parsed() for i in (pending, run.job_id)]
    assert stages == [{"by": OWNER, "stage": "pending"}, {"by": OWNER, "stage": "waiting"}]


async def test_cancelling_a_run_asks_its_worker_and_a_repeat_changes_nothing(jobs: JobStore) -> None:
    run = await running(jobs)
    assert await jobs.cancel(run.job_id, OWNER, "enough") is Status.PROCESSING
    assert await jobs.cancel(run.job_id, OWNER) is Status.PROCESSING
    found = await view(jobs, run.job_id)
    assert found.events[-1].parsed() == {"by": OWNER, "reason": "enough"}
    assert [e.type for e in found.events].count("cancel_requested") == 1
    assert found.job.cancel_requested_at
    assert (await jobs.renew({run.job_id: run.token}, lease_ms=60_000)).cancelled == {run.job_id}


async def test_a_cancelled_run_that_would_retry_is_cancelled_instead(jobs: JobStore) -> None:
    for change in (retry(0), INTERRUPTED):
        run = await running(jobs)
        await jobs.cancel(run.job_id, "somebody")
        assert await jobs.apply(run.job_id, [change], token=run.token) == (4, Status.CANCELLED)
        assert (await view(jobs, run.job_id)).events[-1].parsed()["by"] == "somebody"


async def test_a_cancelled_run_whose_worker_dies_is_cancelled(jobs: JobStore) -> None:
    job_id = await accepted(jobs)
    await claimed(jobs, lease_ms=1)
    await jobs.cancel(job_id, OWNER)
    while not (await job(jobs, job_id)).ended:
        await jobs.claim("next", ["default"], 1, lease_ms=60_000, kinds=["k"])
    assert (await job(jobs, job_id)).status is Status.CANCELLED


async def test_a_kind_nobody_knows_fails_and_one_another_worker_knows_is_left_to_it(
    jobs: JobStore, redis: Redis
) -> None:
    await redis.hset("tidings:kinds", "elsewhere", "{}")  # type: ignore[misc]  # redis-py's own types
    elsewhere, nowhere = await accepted(jobs, kind="elsewhere"), await accepted(jobs, kind="nowhere")
    await jobs.claim("w", ["default"], 5, lease_ms=60_000, kinds=["k"])
    assert (await job(jobs, elsewhere)).status is Status.PENDING
    error = (await job(jobs, nowhere)).error
    assert error
    assert error["code"] == "unknown_kind"


async def test_an_unknown_job_is_none_to_read_and_an_error_to_change(jobs: JobStore) -> None:
    assert await jobs.read(new_job_id()) is None
    with pytest.raises(UnknownJob):
        await jobs.cancel(new_job_id(), OWNER)


async def test_the_scripts_and_python_write_times_alike(jobs: JobStore) -> None:
    run = await running(jobs)
    for delay in (1, 999, 86_400_000, 400 * 86_400_000, 10_000 * 86_400_000):
        await jobs.apply(run.job_id, [retry(delay)], token=run.token)
        found = await view(jobs, run.job_id)
        assert found.events[-1].parsed()["retry_at"] == rfc3339(found.events[-1].at + delay)
        await jobs.cancel(run.job_id, OWNER)
        run = await running(jobs)


async def test_a_server_that_forgot_the_scripts_is_told_them_again(jobs: JobStore, redis: Redis) -> None:
    job_id = await accepted(jobs)
    await redis.script_flush()
    assert [found.job_id for found in await jobs.read_many([job_id])] == [job_id]


async def test_a_redis_that_cannot_be_reached_is_unavailable() -> None:
    redis = Redis.from_url("unix:///nonexistent.sock")
    with pytest.raises(Unavailable):
        await JobStore(redis).read(new_job_id())
    await redis.aclose()


def test_job_ids_are_plain_words() -> None:
    assert all(re.fullmatch(r"[a-z2-7]{26}", new_job_id()) for _ in range(100))
