"""How often a client may ask and submit: told in advance, and kept to."""

from typing import Any

import pytest
from redis.asyncio import Redis

from app.errors import QueueFull, StoreFull, SubmitTooFast
from app.limits import Admission
from app.store import Change, JobStore, Look
from tests.ground import OWNER, accepted, claimed, completed, failed, running, submission
from tests.still_store import START, Clock

BURST = 20


@pytest.fixture
def jobs(clock: Clock) -> JobStore:
    return clock.store()


async def asked(jobs: JobStore, job_id: str, *, most: int = BURST, **more: Any) -> Look:
    look = await jobs.poll(job_id, OWNER, most=most, **more)
    assert look
    return look


async def asked_out(jobs: JobStore, job_id: str) -> Look:
    """Until it is refused; how."""
    for _ in range(BURST + 1):
        look = await asked(jobs, job_id)
    assert not look.allowed
    return look


async def state_of(redis: Redis, job_id: str) -> Any:
    parts = [f"tidings:{{{job_id}}}:{part}" for part in ("job", "events", "params")]
    return [await redis.dump(part) for part in parts]


async def expiry(redis: Redis, key: str | bytes) -> Any:
    return await redis.execute_command("PEXPIRETIME", key)  # type: ignore[no-untyped-call]  # redis-py


# Polls


async def test_twenty_polls_in_a_row_are_answered_and_no_more(jobs: JobStore) -> None:
    job_id = await accepted(jobs)
    looks = [await asked(jobs, job_id) for _ in range(BURST + 2)]
    assert [look.allowed for look in looks] == [True] * BURST + [False] * 2
    assert [look.allowance.left for look in looks] == [*range(BURST - 1, -1, -1), 0, 0]
    refused = looks[-1]
    assert (refused.view, refused.allowance.next_seconds) == (None, 3)
    assert refused.allowance.headers == {"RateLimit-Policy": '"poll";q=20;w=60', "RateLimit": '"poll";r=0;t=3'}


async def test_a_poll_without_news_costs_what_one_with_news_does(jobs: JobStore) -> None:
    job_id = await accepted(jobs)
    for left in range(BURST - 1, -1, -1):
        look = await asked(jobs, job_id, known=1)
        assert (look.view, look.allowance.left) == (None, left)
    assert not (await asked(jobs, job_id, known=1)).allowed


async def test_who_waits_for_news_is_not_charged_until_the_wait_brought_none(jobs: JobStore) -> None:
    job_id = await accepted(jobs)
    for _ in range(2 * BURST):
        assert (await asked(jobs, job_id, known=1, waits=True)).allowance.left == BURST
    assert (await asked(jobs, job_id, known=1)).allowance.left == BURST - 1


async def test_who_may_not_ask_may_not_wait_either(jobs: JobStore) -> None:
    job_id = await accepted(jobs)
    await asked_out(jobs, job_id)
    assert not (await asked(jobs, job_id, known=1, waits=True)).allowed


async def test_another_job_has_its_own_count_and_a_log_has_its_jobs(jobs: JobStore) -> None:
    one, other = await accepted(jobs), await accepted(jobs)
    await asked_out(jobs, one)
    assert (await asked(jobs, other)).allowance.left == BURST - 1
    assert not (await asked(jobs, one, after=0)).allowed


async def test_a_job_of_another_owner_is_unknown_and_counts_nothing(jobs: JobStore, redis: Redis) -> None:
    job_id = await accepted(jobs, owner="other")
    assert await jobs.poll(job_id, OWNER, most=BURST) is None
    assert await redis.keys("tidings:{*}:polls:*") == []


async def test_a_refused_poll_writes_nothing_to_the_job(jobs: JobStore, redis: Redis, clock: Clock) -> None:
    for _ in range(9):
        await accepted(jobs)
    await clock.move(1)
    job_id = await accepted(jobs)
    await asked_out(jobs, job_id)
    await jobs.claim("w", ["default"], 9, lease_ms=60_000, kinds=["k"])
    await clock.move(2_999)
    before = await state_of(redis, job_id)
    assert not (await asked(jobs, job_id)).allowed
    assert await state_of(redis, job_id) == before
    await clock.move(1)
    assert (await asked(jobs, job_id)).seq == 2


async def test_it_is_asked_for_after_three_seconds_and_with_age_less_often(jobs: JobStore, clock: Clock) -> None:
    run = await running(jobs)
    told = {}
    for age in (0, 5, 6, 11, 12, 24, 47, 48, 95, 96, 3_600):
        await clock.move(START + age * 1_000 - clock.now)
        told[age] = (await asked(jobs, run.job_id)).poll_ms // 1_000
    assert told == {0: 3, 5: 3, 6: 6, 11: 6, 12: 12, 24: 24, 47: 24, 48: 48, 95: 48, 96: 60, 3_600: 60}


async def test_it_is_asked_for_sooner_when_its_end_is_near(jobs: JobStore, clock: Clock) -> None:
    run = await running(jobs)
    await clock.move(3_600_000)
    for eta, seconds in ((1_000, 60), (40, 40), (4.2, 5), (1, 3), (0, 3)):
        told = Change("progress", f'{{"percent":50,"eta_seconds":{eta}}}')
        await jobs.apply(run.job_id, [told], token=run.token)
        look = await asked(jobs, run.job_id)
        assert look.view
        assert look.view.job.retry_after() == seconds


@pytest.mark.parametrize("most", [1, BURST])
@pytest.mark.parametrize("impatient", [False, True], ids=["from the start", "once refused"])
async def test_who_asks_exactly_when_told_is_never_refused(
    jobs: JobStore, clock: Clock, most: int, impatient: bool
) -> None:
    run = await running(jobs, timeout_ms=86_400_000)
    ends = clock.now + 2 * 3_600_000
    while impatient and (await asked(jobs, run.job_id, most=most)).allowed:
        pass
    look = await asked(jobs, run.job_id, most=most)
    asked_at = clock.now
    while clock.now < ends:
        seconds = look.poll_ms / 1_000 if look.allowed else look.allowance.next_seconds
        assert look.allowance.next_seconds <= -(-seconds // 1), "Retry-After is earlier than t"
        await clock.move(int(-(-seconds // 1)) * 1_000)
        if clock.now - asked_at > 600_000:  # now and then its end comes nearer, or moves away again
            eta = (ends - clock.now) // (1_000 if clock.now % 7 else 40_000)
            await jobs.apply(run.job_id, [Change("progress", f'{{"percent":1,"eta_seconds":{eta}}}')], token=run.token)
            asked_at = clock.now
        look = await asked(jobs, run.job_id, most=most)
        assert look.allowed


async def test_a_count_is_forgotten_once_it_is_full_again(jobs: JobStore, redis: Redis, clock: Clock) -> None:
    job_id = await accepted(jobs)
    await asked_out(jobs, job_id)
    (key,) = await redis.keys("tidings:{*}:polls:*")
    assert await expiry(redis, key) == clock.now + BURST * 3_000
    await clock.move(BURST * 3_000)
    assert not await redis.exists(key)


async def test_polls_of_an_ended_job_count_as_well(jobs: JobStore) -> None:
    run = await running(jobs)
    await jobs.apply(run.job_id, [completed()], token=run.token)
    assert (await asked_out(jobs, run.job_id)).ended


# Submissions


async def test_an_owner_may_submit_so_many_in_a_minute(redis: Redis, clock: Clock) -> None:
    jobs = clock.store(admission=Admission(submits_per_minute=3))
    for left in (2, 1, 0):
        assert (await jobs.submit(submission())).allowance.left == left
    before = sorted(await redis.keys())
    with pytest.raises(SubmitTooFast) as refused:
        await jobs.submit(submission())
    assert refused.value.headers == {
        "Retry-After": "20",
        "RateLimit-Policy": '"submit";q=3;w=60',
        "RateLimit": '"submit";r=0;t=20',
    }
    assert sorted(await redis.keys()) == before
    assert await expiry(redis, f"tidings:submits:{OWNER}") == clock.now + 60_000
    await jobs.submit(submission(owner="another"))
    await clock.move(20_000)
    await jobs.submit(submission())


async def test_an_owner_may_have_so_many_jobs_that_have_not_ended(redis: Redis, clock: Clock) -> None:
    jobs = clock.store(admission=Admission(most_live_per_owner=2))
    first = await accepted(jobs)
    await accepted(jobs, delay_ms=60_000)
    before = sorted(await redis.keys("tidings:{*"))
    with pytest.raises(QueueFull) as refused:
        await jobs.submit(submission())
    assert refused.value.headers["Retry-After"] == "15"
    assert sorted(await redis.keys("tidings:{*")) == before
    await accepted(jobs, owner="another")
    await jobs.cancel(first, OWNER)
    await accepted(jobs)


async def test_there_may_be_so_many_jobs_in_all(redis: Redis, clock: Clock) -> None:
    jobs = clock.store(admission=Admission(most_live=2))
    await accepted(jobs)
    await accepted(jobs, owner="another")
    before = sorted(await redis.keys("tidings:{*"))
    with pytest.raises(StoreFull) as refused:
        await jobs.submit(submission(owner="third"))
    assert refused.value.headers["Retry-After"] == "15"
    assert sorted(await redis.keys("tidings:{*")) == before
    run = await claimed(jobs)
    await jobs.apply(run.job_id, [completed()], token=run.token)
    await accepted(jobs, owner="third")


@pytest.mark.parametrize(
    "full", [Admission(submits_per_minute=1), Admission(most_live_per_owner=1), Admission(most_live=1)]
)
async def test_a_repeat_is_answered_though_nothing_new_would_be_taken(clock: Clock, full: Admission) -> None:
    jobs = clock.store(admission=full)
    known = submission(idempotency_key="once", fingerprint="f")
    first = await jobs.submit(known)
    with pytest.raises((SubmitTooFast, QueueFull, StoreFull)):
        await jobs.submit(submission())
    again = await jobs.submit(submission(idempotency_key="once", fingerprint="f"))
    assert (again.replayed, again.job) == (True, first.job)


async def test_a_job_that_is_run_again_counts_as_one_that_has_not_ended(clock: Clock) -> None:
    jobs = clock.store(admission=Admission(most_live_per_owner=1))
    run = await running(jobs)
    await jobs.apply(run.job_id, [failed()], token=run.token)
    other = await accepted(jobs)
    with pytest.raises(QueueFull):
        await jobs.retry(run.job_id, OWNER)
    await jobs.cancel(other, OWNER)
    await jobs.retry(run.job_id, OWNER)
    with pytest.raises(QueueFull):
        await accepted(jobs)


async def test_what_was_given_up_counts_no_longer(redis: Redis, clock: Clock) -> None:
    jobs = clock.store(admission=Admission(most_live=1))
    lost = await accepted(jobs)
    await redis.delete(f"tidings:{{{lost}}}:job")
    listing = clock.listing(jobs)
    await clock.move(1)
    await listing.prune()
    await accepted(jobs)
    assert await redis.zcard(f"tidings:active:{OWNER}") == 1
