"""How many are before a job that waits: rightly counted, and told only where somebody looks."""

import random
from itertools import pairwise
from typing import Any

import pytest
from redis.asyncio import Redis

from app.events import Event
from app.jobs import Job
from app.store import JobStore
from tests.ground import OWNER, accepted, claimed, completed, submission
from tests.still_store import Clock

KINDS = ("k", "l", "m")


@pytest.fixture
def jobs(clock: Clock) -> JobStore:
    return clock.store()


async def job_of(jobs: JobStore, job_id: str) -> Job:
    (job,) = await jobs.read_many([job_id])
    return job


async def positions(jobs: JobStore, ids: list[str]) -> dict[str, int | None]:
    return {job.job_id: job.position for job in await jobs.read_many(ids)}


async def start(jobs: JobStore, count: int = 1) -> list[str]:
    """The next so many, one after the other."""
    started: list[str] = []
    for _ in range(count):
        claims = await jobs.claim("w", ["default"], 1, lease_ms=600_000, kinds=KINDS)
        started += [run.job_id for run in claims.runs]
    return started


async def events(jobs: JobStore, job_id: str) -> list[Event]:
    """Those of positions that are still in the log."""
    view = await jobs.read(job_id, after=0)
    assert view
    return [event for event in view.events if event.type == "position"]


# What it counts


@pytest.mark.parametrize("seed", range(12))
async def test_jobs_start_in_the_order_their_positions_say(jobs: JobStore, clock: Clock, seed: int) -> None:
    chance = random.Random(seed)
    owners = [f"owner {n}" for n in range(1 + seed % 4)]
    ids: list[str] = []
    for _ in range(25):
        await clock.move(1)
        fields: dict[str, Any] = {"owner": chance.choice(owners), "kind": chance.choice(KINDS)}
        ids.append(await accepted(jobs, priority=chance.choice((0, 0, 9)), **fields))
        if chance.random() < 0.3:
            await start(jobs)
    told = await positions(jobs, ids)
    waiting = sorted((place, job_id) for job_id, place in told.items() if place is not None)
    assert [place for place, _ in waiting] == list(range(len(waiting)))
    assert await start(jobs, len(waiting)) == [job_id for _, job_id in waiting]


async def test_a_submission_is_told_its_position(jobs: JobStore, clock: Clock) -> None:
    for place in range(3):
        await clock.move(1)
        assert (await jobs.submit(submission())).job.position == place
    assert (await jobs.submit(submission(owner="other"))).job.position == 1


async def test_what_is_in_no_line_has_no_position(jobs: JobStore) -> None:
    delayed, suspended, begun = [await accepted(jobs, delay_ms=delay) for delay in (60_000, 0, 0)]
    await jobs.suspend(suspended, OWNER, 60_000)
    assert await start(jobs) == [begun]
    assert set((await positions(jobs, [delayed, suspended, begun])).values()) == {None}


@pytest.mark.parametrize("own", [0, 7, 30])
@pytest.mark.parametrize("rank", [5, 60, 250, 390])
async def test_among_many_owners_it_is_told_to_within_a_quarter(
    jobs: JobStore, clock: Clock, redis: Redis, own: int, rank: int
) -> None:
    chance, true = random.Random(own + rank), own
    for n in range(400):
        await accepted(jobs, owner=f"owner {n:03}")
        if n != rank:
            more = chance.randint(0, 19)
            await redis.hincrby("tidings:waiting:default", f"owner {n:03}", more)  # type: ignore[misc]  # redis-py
            true += min(1 + more, own + (n < rank))
    for _ in range(own):
        await clock.move(1)
        await accepted(jobs, owner=f"owner {rank:03}")
    last = (await redis.zrange(f"tidings:lane:default:k:owner {rank:03}", -1, -1))[0].decode()
    assert (await job_of(jobs, last)).position == pytest.approx(true, rel=0.25)


# When it is told


async def test_it_is_told_only_of_jobs_somebody_asks_for(jobs: JobStore, clock: Clock) -> None:
    await accepted(jobs)
    await clock.move(1)
    asked = await accepted(jobs)
    await clock.move(1)
    unasked = await accepted(jobs)
    await start(jobs)
    await clock.move(2_000)
    assert await jobs.place([asked]) == 1
    assert [event.parsed() for event in await events(jobs, asked)] == [{"position": 0}]
    assert await events(jobs, unasked) == []


async def test_who_polls_is_told_and_the_seq_moves_so_that_it_is_news(jobs: JobStore, clock: Clock) -> None:
    await accepted(jobs)
    await clock.move(1)
    job_id = await accepted(jobs)
    await start(jobs)
    look = await jobs.poll(job_id, OWNER, most=20, known=1)
    assert look
    assert (look.seq, look.view) == (1, None)
    await clock.move(2_000)
    look = await jobs.poll(job_id, OWNER, most=20, known=1)
    assert look
    assert look.view
    assert (look.seq, look.view.job.position) == (2, 0)


async def test_it_is_told_only_when_it_has_changed_enough_and_of_the_latest_only(jobs: JobStore, clock: Clock) -> None:
    for _ in range(20):
        await accepted(jobs)
        await clock.move(1)
    job_id = await accepted(jobs)
    told = []
    for _ in range(20):
        await start(jobs)
        await clock.move(2_000)
        if await jobs.place([job_id]):
            (event,) = await events(jobs, job_id)
            told.append(event.parsed()["position"])
    assert told == [16, 12, 9, 7, 5, 4, 3, 2, 1, 0]
    assert (await job_of(jobs, job_id)).seq == 1 + len(told)


async def test_it_is_told_at_most_every_two_seconds(jobs: JobStore, clock: Clock) -> None:
    for _ in range(20):
        await accepted(jobs)
        await clock.move(1)
    job_id = await accepted(jobs)
    moments = []
    for _ in range(20):
        await start(jobs)
        await clock.move(300)
        if await jobs.place([job_id]):
            moments.append(clock.now)
    assert len(moments) > 1
    assert all(later - sooner >= 2_000 for sooner, later in pairwise(moments))


async def test_it_is_told_when_its_eta_has_changed_enough(jobs: JobStore, clock: Clock) -> None:
    await accepted(jobs)
    run = await claimed(jobs)
    job_id = await accepted(jobs)
    await clock.move(20_000)
    assert await jobs.place([job_id]) == 0
    await jobs.apply(run.job_id, [completed()], token=run.token)
    assert await jobs.place([job_id]) == 1
    (event,) = await events(jobs, job_id)
    assert event.parsed() == {"position": 0, "eta_seconds": 20}


@pytest.mark.parametrize("how", ["started", "suspended", "cancelled", "expired"])
async def test_once_it_waits_no_more_no_position_is_in_its_log(jobs: JobStore, clock: Clock, how: str) -> None:
    await accepted(jobs)
    await clock.move(1)
    job_id = await accepted(jobs, start_within_ms=3_000)
    await start(jobs)
    await clock.move(2_000)
    assert await jobs.place([job_id]) == 1
    match how:
        case "started":
            await start(jobs)
        case "suspended":
            await jobs.suspend(job_id, OWNER, 60_000)
        case "cancelled":
            await jobs.cancel(job_id, OWNER)
        case _:
            await jobs.settle_overdue()
            await clock.move(1_000)
            await jobs.settle_overdue()
    assert await events(jobs, job_id) == []
    job = await job_of(jobs, job_id)
    assert (job.position, job.seq) == (None, 3)
    assert await jobs.place([job_id]) == 0


async def test_what_cannot_be_placed_is_passed_over(jobs: JobStore, clock: Clock) -> None:
    delayed = await accepted(jobs, delay_ms=60_000)
    await clock.move(5_000)
    assert await jobs.place([delayed, "nothing"]) == 0
