"""Whose job starts next: owners by turns, the most urgent first, and nobody for ever."""

import random
from collections import Counter
from collections.abc import Iterable

import pytest
from redis.asyncio import Redis

from app.limits import Shares
from app.store import JobStore, Run
from tests.ground import INTERRUPTED, accepted, completed, retry
from tests.still_store import Clock

LEASE_MS = 60_000
KINDS = ("k", "l", "m", "n", "o")


@pytest.fixture
def jobs(clock: Clock) -> JobStore:
    return clock.store()


async def next_runs(jobs: JobStore, slots: int = 1, kinds: Iterable[str] = KINDS, worker: str = "w") -> list[Run]:
    claims = await jobs.claim(worker, ["default"], slots, lease_ms=LEASE_MS, kinds=list(kinds))
    return list(claims.runs)


async def next_run(jobs: JobStore, kinds: Iterable[str] = KINDS) -> Run:
    (run,) = await next_runs(jobs, 1, kinds)
    return run


async def owners_started(jobs: JobStore, starts: int) -> list[str]:
    return [(await next_run(jobs)).owner for _ in range(starts)]


async def waiting(jobs: JobStore, owner: str, count: int, **fields: object) -> list[str]:
    return [await accepted(jobs, owner=owner, **fields) for _ in range(count)]


# Owners take turns


async def test_a_single_job_starts_soon_though_another_owner_has_ten_thousand_waiting(
    jobs: JobStore, redis: Redis
) -> None:
    await waiting(jobs, "many", 50)
    await pile_up(redis, "many", 10_000)
    assert await owners_started(jobs, 5) == ["many"] * 5
    await accepted(jobs, owner="one")
    assert "one" in await owners_started(jobs, 2)


async def test_an_owner_that_submits_one_job_after_the_other_does_not_keep_others_out(jobs: JobStore) -> None:
    await waiting(jobs, "many", 30)
    started = ["steady"]
    for _ in range(30):
        if started[-1] == "steady":
            await accepted(jobs, owner="steady")
        started += await owners_started(jobs, 1)
    assert Counter(started[1:]) == {"many": 15, "steady": 15}


async def test_five_kinds_get_an_owner_no_larger_share_than_one(jobs: JobStore) -> None:
    for kind in KINDS:
        await waiting(jobs, "five", 20, kind=kind)
    await waiting(jobs, "one", 40)
    assert Counter(await owners_started(jobs, 40)) == {"five": 20, "one": 20}


async def test_weights_give_shares_in_proportion(clock: Clock, redis: Redis) -> None:
    jobs = clock.store(shares=Shares(weights=(("triple", 3.0), ("half", 0.5))))
    for owner in ("triple", "half", "plain"):
        await waiting(jobs, owner, 40)
        await pile_up(redis, owner, 1_000)
    starts: Counter[str] = Counter()
    for _ in range(250):
        starts.update(run.owner for run in await next_runs(jobs, 4))
    assert starts.total() == 1_000
    for owner, weight in (("triple", 3), ("half", 0.5), ("plain", 1)):
        assert abs(starts[owner] - 1_000 * weight / 4.5) <= 4


async def test_who_was_away_is_owed_nothing(jobs: JobStore) -> None:
    await accepted(jobs, owner="away")
    await waiting(jobs, "there", 60)
    await owners_started(jobs, 21)
    await waiting(jobs, "away", 20)
    assert (await owners_started(jobs, 21)).count("away") == 11  # the first of them at once


async def test_who_waited_for_a_kind_nobody_took_is_owed_nothing_of_the_others(jobs: JobStore, redis: Redis) -> None:
    await redis.hset("tidings:kinds", "elsewhere", "{}")  # type: ignore[misc]  # redis-py
    await waiting(jobs, "blocked", 5, kind="elsewhere")
    await waiting(jobs, "there", 60)
    assert Counter(await owners_started(jobs, 30)) == {"there": 30}
    await waiting(jobs, "blocked", 20)
    assert (await owners_started(jobs, 21)).count("blocked") == 11


async def test_a_kind_that_was_not_taken_for_long_costs_the_others_nothing_when_it_is(
    jobs: JobStore, redis: Redis
) -> None:
    await redis.hset("tidings:kinds", "elsewhere", "{}")  # type: ignore[misc]  # redis-py
    await waiting(jobs, "blocked", 5, kind="elsewhere")
    await waiting(jobs, "there", 60)
    await owners_started(jobs, 30)
    await next_run(jobs, kinds=["elsewhere"])
    await waiting(jobs, "new", 30)
    assert (await owners_started(jobs, 21)).count("new") == 11


@pytest.mark.parametrize("seed", range(8))
async def test_while_an_owner_waits_no_other_starts_twice_more_than_it(jobs: JobStore, clock: Clock, seed: int) -> None:
    chance = random.Random(seed)
    lines = Counter[str]()
    since: dict[str, Counter[str]] = {}  # whoever waits: what others started since its last start
    for _ in range(200):
        await clock.move(1)
        for owner in chance.choices("abcde", weights=(1, 1, 2, 4, 8), k=chance.randint(0, 2)):
            await accepted(jobs, owner=owner, kind=chance.choice(KINDS), priority=chance.choice((0, 9)))
            lines[owner] += 1
            since.setdefault(owner, Counter())
        for run in await next_runs(jobs, chance.randint(0, 1)):
            lines[run.owner] -= 1
            for started in since.values():
                started[run.owner] += 1
            del since[run.owner]
            if lines[run.owner]:
                since[run.owner] = Counter()
        assert all(max(started.values(), default=0) <= 2 for started in since.values())
    assert lines.total() > 20


# What is most urgent


async def test_of_one_owner_the_highest_priority_goes_first(jobs: JobStore) -> None:
    ids = {priority: await accepted(jobs, priority=priority) for priority in (0, 5, 9)}
    assert [(await next_run(jobs)).job_id for _ in range(3)] == [ids[9], ids[5], ids[0]]


async def test_priority_gains_ten_minutes_a_step_and_no_more(jobs: JobStore, clock: Clock) -> None:
    old = await accepted(jobs, priority=0)
    await clock.move(9 * 600_000 - 1)
    urgent = await accepted(jobs, priority=9)
    await clock.move(2)
    later = await accepted(jobs, priority=9)
    assert [(await next_run(jobs)).job_id for _ in range(3)] == [urgent, old, later]


async def test_a_higher_priority_does_not_take_another_owners_turn(jobs: JobStore) -> None:
    await waiting(jobs, "urgent", 10, priority=9)
    await waiting(jobs, "patient", 10)
    assert Counter(await owners_started(jobs, 10)) == {"urgent": 5, "patient": 5}


@pytest.mark.parametrize("how", ["lost", "interrupted", "retried"])
async def test_what_was_begun_before_goes_ahead_of_what_is_new(jobs: JobStore, clock: Clock, how: str) -> None:
    begun = await accepted(jobs)
    run = await next_run(jobs)
    await clock.move(1)
    await waiting(jobs, "default", 3)
    await jobs.settle_overdue()
    await clock.move(1_000)
    match how:
        case "lost":
            for _ in range(80):
                await clock.move(1_000)
                await jobs.settle_overdue()
        case "interrupted":
            await jobs.apply(run.job_id, [INTERRUPTED], token=run.token)
        case _:
            await jobs.apply(run.job_id, [retry(1_000)], token=run.token)
            await clock.move(1_000)
    assert (await next_run(jobs)).job_id == begun


# What is not touched


async def test_kinds_this_worker_does_not_know_are_left_alone_and_what_nobody_knows_fails(
    jobs: JobStore, redis: Redis
) -> None:
    await redis.hset("tidings:kinds", "elsewhere", "{}")  # type: ignore[misc]  # redis-py
    elsewhere, nowhere, mine = [await accepted(jobs, kind=kind) for kind in ("elsewhere", "nowhere", "k")]
    assert [run.job_id for run in await next_runs(jobs, 5)] == [mine]
    left, failed = await jobs.read_many([elsewhere, nowhere])
    assert (left.status, left.seq, left.position) == ("pending", 1, 0)
    assert failed.error
    assert failed.error["code"] == "unknown_kind"


@pytest.mark.parametrize(("paused", "others"), [("kind:k", {"l"}), ("queue:default", set[str]())])
async def test_what_is_paused_starts_nothing_and_the_others_go_on(
    jobs: JobStore, redis: Redis, paused: str, others: set[str]
) -> None:
    for kind in ("k", "l"):
        await accepted(jobs, kind=kind)
    there = await accepted(jobs, queue="other", kind="m")
    await redis.sadd("tidings:paused", paused)  # type: ignore[misc]  # redis-py
    claims = await jobs.claim("w", ["default", "other"], 9, lease_ms=LEASE_MS, kinds=KINDS)
    assert {run.kind for run in claims.runs if run.job_id != there} == others
    assert there in {run.job_id for run in claims.runs}
    await redis.srem("tidings:paused", paused)  # type: ignore[misc]  # redis-py
    assert len(await next_runs(jobs, 9)) == 2 - len(others)


async def test_a_kind_nobody_knows_is_left_alone_while_it_is_paused(jobs: JobStore, redis: Redis) -> None:
    await redis.sadd("tidings:paused", "kind:nowhere")  # type: ignore[misc]  # redis-py
    job_id = await accepted(jobs, kind="nowhere")
    assert await next_runs(jobs) == []
    assert [job.status for job in await jobs.read_many([job_id])] == ["pending"]


# What a claim costs


async def commands(redis: Redis) -> int:
    """How many the server has carried out, those of scripts as well."""
    stats = await redis.info("commandstats")
    return sum(int(stat["calls"]) for stat in stats.values())


async def cost_of_a_claim(redis: Redis, jobs: JobStore) -> int:
    before = await commands(redis)
    assert len(await next_runs(jobs, 10)) == 10
    return await commands(redis) - before


async def test_a_claim_among_ten_thousand_jobs_of_five_hundred_owners_works_hardly_more_than_among_ten(
    jobs: JobStore, redis: Redis
) -> None:
    await waiting(jobs, "only", 10)
    few = await cost_of_a_claim(redis, jobs)
    for n in range(500):
        await accepted(jobs, owner=f"owner {n}")
        await pile_up(redis, f"owner {n}", 20)
    many = await cost_of_a_claim(redis, jobs)
    assert many < 1.5 * few


async def pile_up(redis: Redis, owner: str, count: int) -> None:
    """As many more jobs of kind `k` behind the owner's last, copies of its first: fast, as they are so many."""
    await redis.eval(PILE_UP, 0, owner, str(count))  # type: ignore[misc]  # redis-py


PILE_UP = """
local owner, count = ARGV[1], tonumber(ARGV[2])
local lane = 'tidings:lane:default:k:' .. owner
local first = redis.call('ZRANGE', lane, 0, 0, 'WITHSCORES')
local function key(id, part) return 'tidings:{' .. id .. '}:' .. part end
for n = 1, count do
  local id = first[1] .. n
  for _, part in ipairs({'job', 'events', 'params'}) do redis.call('COPY', key(first[1], part), key(id, part)) end
  redis.call('ZADD', lane, first[2] + n, id)
end
redis.call('HINCRBY', 'tidings:queue:default', 'k', count)
redis.call('HINCRBY', 'tidings:waiting:default', owner, count)
"""


async def test_jobs_that_end_leave_no_trace_of_lanes_or_turns(jobs: JobStore, redis: Redis) -> None:
    for owner in ("a", "b"):
        await waiting(jobs, owner, 3)
    for _ in range(6):
        run = await next_run(jobs)
        await jobs.apply(run.job_id, [completed()], token=run.token)
    left = {key.decode().split(":")[1] for key in await redis.keys("tidings:*")}
    assert left.isdisjoint({"lane", "turns", "left", "queue", "waiting", "parked", "later", "running", "counts"})
