"""How many runs there may be at once: of a kind, of an owner, and of an owner's in a minute."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from redis.asyncio import Redis

from app.jobs import Status
from app.limits import Shares
from app.store import Change, JobStore, Run
from tests import chores
from tests.ground import INTERRUPTED, accepted, completed, failed, retry, submission, waiting
from tests.still_store import Clock
from tests.working import reached, working

LEASE_MS = 60_000
ONE_OF_K = {"k": 1, "l": 0}
"""Of kind k one run at a time, of l any number."""

End = Callable[[JobStore, Redis, Clock, Run], Awaitable[object]]


@pytest.fixture
def jobs(clock: Clock) -> JobStore:
    return clock.store()


async def next_runs(
    jobs: JobStore, slots: int = 9, kinds: dict[str, int] | None = None, worker: str = "w"
) -> list[Run]:
    wanted = {"k": 0} if kinds is None else kinds
    return list((await jobs.claim(worker, ["default"], slots, lease_ms=LEASE_MS, kinds=wanted)).runs)


async def telling(jobs: JobStore, run: Run, change: Change) -> None:
    await jobs.apply(run.job_id, [change], token=run.token)


# Of a kind


async def test_of_a_limited_kind_no_more_run_though_all_workers_claim_at_once(jobs: JobStore) -> None:
    for _ in range(12):
        await accepted(jobs)
        await accepted(jobs, kind="l")
    claims = await asyncio.gather(*(next_runs(jobs, 4, {"k": 3, "l": 0}, f"w{n}") for n in range(6)))
    assert Counter(run.kind for runs in claims for run in runs) == {"k": 3, "l": 12}


async def is_lost(jobs: JobStore, redis: Redis, clock: Clock, run: Run) -> None:
    for _ in range(LEASE_MS // 1000 + 1):
        await clock.move(1_000)
        await jobs.settle_overdue()


async def is_given_up(jobs: JobStore, redis: Redis, clock: Clock, run: Run) -> None:
    await redis.set(f"tidings:{{{run.job_id}}}:job", "no record")
    await is_lost(jobs, redis, clock, run)


async def is_cancelled(jobs: JobStore, redis: Redis, clock: Clock, run: Run) -> None:
    await jobs.cancel(run.job_id, "default")
    await telling(jobs, run, Change("cancelled", "{}"))


def tells(change: Change) -> End:
    return lambda jobs, redis, clock, run: telling(jobs, run, change)


ENDS: dict[str, End] = {
    "completed": tells(completed()),
    "failed": tells(failed()),
    "retry": tells(retry(LEASE_MS * 10)),
    "waiting": tells(waiting(LEASE_MS * 10)),
    "interrupted": tells(INTERRUPTED),
    "cancelled": is_cancelled,
    "lost": is_lost,
    "given up": is_given_up,
}
every_end = pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)


@every_end
async def test_however_a_run_ends_the_next_of_its_kind_may_start(
    jobs: JobStore, redis: Redis, clock: Clock, end: End
) -> None:
    await jobs.settle_overdue()
    await accepted(jobs)
    (run,) = await next_runs(jobs, kinds=ONE_OF_K)
    await accepted(jobs)
    assert await next_runs(jobs, kinds=ONE_OF_K) == []
    await end(jobs, redis, clock, run)
    assert len(await next_runs(jobs, kinds=ONE_OF_K)) == 1
    assert await next_runs(jobs, kinds=ONE_OF_K) == []


async def test_a_job_that_waits_for_its_kind_hides_no_other_and_is_not_waited_for(jobs: JobStore) -> None:
    for _ in range(3):
        await accepted(jobs, priority=9)
    await next_runs(jobs, kinds=ONE_OF_K)
    other = await accepted(jobs, kind="l")
    claims = await jobs.claim("w", ["default"], 9, lease_ms=LEASE_MS, kinds=ONE_OF_K)
    assert [run.job_id for run in claims.runs] == [other]
    assert claims.next_due_ms == LEASE_MS


async def test_workers_keep_to_the_limit_their_handler_has(redis: Redis, redis_url: str, tmp_path: Path) -> None:
    jobs = JobStore(redis)
    ids = [await accepted(jobs, kind="lone") for _ in range(6)]
    async with working(redis_url, tmp_path), working(redis_url, tmp_path):
        for job_id in ids:
            await reached(jobs, job_id, Status.COMPLETED)
    assert chores.COMPANY == [1] * 6


# Of an owner


@every_end
async def test_however_a_run_ends_the_next_of_its_owner_may_start(redis: Redis, clock: Clock, end: End) -> None:
    jobs = clock.store(shares=Shares(most_running_per_owner=1))
    await jobs.settle_overdue()
    await accepted(jobs)
    (run,) = await next_runs(jobs)
    await accepted(jobs)
    assert await next_runs(jobs) == []
    await end(jobs, redis, clock, run)
    assert len(await next_runs(jobs)) == 1
    assert await next_runs(jobs) == []


async def test_a_cap_holds_back_only_the_owner_that_reached_it(clock: Clock) -> None:
    jobs = clock.store(shares=Shares(most_running_per_owner=2))
    for owner in ("a", "b"):
        for _ in range(3):
            await accepted(jobs, owner=owner)
    await accepted(jobs, owner="a", kind="l")
    assert Counter(run.owner for run in await next_runs(jobs, kinds={"k": 0, "l": 0})) == {"a": 2, "b": 2}


async def test_two_hundred_capped_owners_do_not_hide_one_that_is_not(clock: Clock) -> None:
    jobs = clock.store(shares=Shares(most_running_per_owner=1))
    for n in range(200):
        for _ in range(2):
            await accepted(jobs, owner=f"capped {n:03}")
    for _ in range(4):
        assert len(await next_runs(jobs, 50)) == 50
    assert await next_runs(jobs) == []
    free = await accepted(jobs, owner="zzz")
    assert [run.job_id for run in await next_runs(jobs, 1)] == [free]


async def test_an_owner_that_was_capped_is_owed_nothing_for_it(clock: Clock) -> None:
    jobs = clock.store(shares=Shares(most_running_per_owner=5))
    for _ in range(40):
        await accepted(jobs, owner="slow")
        await accepted(jobs, owner="quick")
    runs = await next_runs(jobs, 10)
    for _ in range(20):
        await finish(jobs, next(run for run in runs if run.owner == "quick"), runs)
        runs += await next_runs(jobs, 1)
    for run in list(runs):
        await finish(jobs, run, runs)
    assert Counter(run.owner for run in await next_runs(jobs, 6)) == {"slow": 3, "quick": 3}


async def finish(jobs: JobStore, run: Run, runs: list[Run]) -> None:
    await telling(jobs, run, completed())
    runs.remove(run)


# In a minute


async def starts_in(jobs: JobStore, clock: Clock, seconds: int) -> Counter[str]:
    """By owner, where a worker looks four times a second."""
    started: Counter[str] = Counter()
    for _ in range(seconds * 4):
        started.update(run.owner for run in await next_runs(jobs))
        await clock.move(250)
    return started


@pytest.mark.parametrize("per_minute", [7, 60, 90])
async def test_an_owner_starts_no_more_in_a_minute_than_it_may(clock: Clock, per_minute: int) -> None:
    jobs = clock.store(shares=Shares(starts_per_minute_per_owner=per_minute))
    for _ in range(3 * per_minute):
        await accepted(jobs, result_ttl_ms=1)
    at_once = max(1, per_minute // 6 + 1)
    first, second = [(await starts_in(jobs, clock, 60)).total() for _ in range(2)]
    assert per_minute <= first <= per_minute + at_once
    assert abs(second - per_minute) <= 1


async def test_a_start_rate_holds_back_only_the_owner_that_reached_it(clock: Clock) -> None:
    jobs = clock.store(shares=Shares(starts_per_minute_per_owner=6))
    for _ in range(5):
        await accepted(jobs, owner="many")
    assert len(await next_runs(jobs)) == 2
    await accepted(jobs, owner="one")
    assert [run.owner for run in await next_runs(jobs)] == ["one"]


async def test_a_claim_says_when_an_owner_may_start_again(clock: Clock) -> None:
    jobs = clock.store(shares=Shares(starts_per_minute_per_owner=2))
    for _ in range(2):
        await accepted(jobs)
    claims = await jobs.claim("w", ["default"], 9, lease_ms=LEASE_MS, kinds=["k"])
    assert (len(claims.runs), claims.next_due_ms) == (1, 20_000)
    await clock.move(20_000)
    assert len(await next_runs(jobs)) == 1


async def test_a_high_start_rate_is_not_rounded_down(clock: Clock, redis: Redis) -> None:
    jobs = clock.store(shares=Shares(starts_per_minute_per_owner=40_000))
    for _ in range(200):
        await jobs.submit(submission())
    for _ in range(4):
        await next_runs(jobs, 50)
    assert await redis.pttl("tidings:starts:default:default") > 0
    booked = float(await redis.get("tidings:starts:default:default") or 0)
    assert booked - clock.now == pytest.approx(200 * 1.5)
