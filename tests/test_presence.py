"""Which workers there are and what they run, as operators are told."""

from pathlib import Path

from redis.asyncio import Redis

from app.store import Announcement, JobStore, WorkerSeen, WorkerStore
from tests.ground import OWNER, accepted, claimed, completed
from tests.still_store import START, Clock, standing
from tests.working import begun, sooner_or_later, working

SAYS = Announcement("host-1", 4, ("k", "other"), ("urgent", "default"))


async def seen(redis: Redis) -> list[WorkerSeen]:
    return await WorkerStore(redis).present()


async def test_a_worker_is_there_with_what_it_runs(
    redis: Redis, redis_url: str, jobs: JobStore, tmp_path: Path
) -> None:
    async with working(redis_url, tmp_path, concurrency=3) as worker:
        job_id = await begun(jobs, worker)
        await sooner_or_later(lambda: seen(redis))
        (there,) = await seen(redis)
        assert there.worker == worker.worker_id
        assert (there.says.concurrency, there.says.queues) == (3, ("default",))
        assert "endless" in there.says.kinds
        assert there.says.host
        view = await jobs.read(job_id)
        assert view
        (run,) = there.runs
        assert (run.job_id, run.kind, run.owner, run.attempt) == (job_id, "endless", OWNER, 1)
        assert run.started_at == view.job.started_at


async def test_a_worker_that_stops_is_there_no_more(redis: Redis, redis_url: str, tmp_path: Path) -> None:
    async with working(redis_url, tmp_path):
        await sooner_or_later(lambda: seen(redis))
    assert await seen(redis) == []
    assert not await redis.exists("tidings:workers", "tidings:workers:told")


async def test_one_that_falls_silent_is_forgotten_and_leaves_nothing(redis: Redis) -> None:
    clock = Clock(redis)
    await clock.move(0)
    with standing():
        workers = WorkerStore(redis)
    since = await workers.announce("w1", SAYS, holds_ms=1_000)
    assert since == START
    await clock.move(900)
    assert await workers.announce("w1", SAYS, holds_ms=1_000, since=since) == START
    await clock.move(900)
    await workers.announce("w2", SAYS, holds_ms=1_000)
    assert await redis.hkeys("tidings:workers:told") == [b"w1", b"w2"]  # type: ignore[misc]  # redis-py
    await clock.move(101)
    await workers.announce("w2", SAYS, holds_ms=1_000)
    assert await redis.hkeys("tidings:workers:told") == [b"w2"]  # type: ignore[misc]  # redis-py


async def test_each_run_is_its_workers_and_the_longest_comes_first(redis: Redis, jobs: JobStore) -> None:
    workers = WorkerStore(redis)
    for name in ("w2", "w1"):
        await workers.announce(name, SAYS, holds_ms=60_000)
    for _ in range(3):
        await accepted(jobs)
    runs = [await claimed(jobs, worker) for worker in ("w1", "w2", "w1")]
    w1, w2 = await workers.present()
    assert (w1.worker, w1.says, w2.worker) == ("w1", SAYS, "w2")
    assert {run.job_id for run in w1.runs} == {runs[0].job_id, runs[2].job_id}
    assert [run.started_at for run in w1.runs] == sorted(run.started_at for run in w1.runs)
    await jobs.apply(runs[1].job_id, [completed()], token=runs[1].token)
    assert [worker.runs for worker in (await workers.present())[1:]] == [()]


async def test_what_makes_no_sense_costs_the_others_nothing(redis: Redis, jobs: JobStore) -> None:
    workers = WorkerStore(redis)
    for name in ("w1", "w2", "w3"):
        await workers.announce(name, SAYS, holds_ms=60_000)
    await redis.hset("tidings:workers:told", mapping={"w1": "1 2 {}", "w2": b"\xff"})  # type: ignore[misc]  # redis-py
    await redis.hset("tidings:running", "old", "default\nk\nowner")  # type: ignore[misc]  # by an earlier release
    assert [worker.worker for worker in await workers.present()] == ["w3"]


async def test_a_run_that_an_earlier_release_began_is_taken_off(redis: Redis, jobs: JobStore) -> None:
    await accepted(jobs)
    run = await claimed(jobs)
    await redis.hset("tidings:running", run.job_id, f"default\nk\n{OWNER}")  # type: ignore[misc]  # redis-py
    await jobs.apply(run.job_id, [completed()], token=run.token)
    assert not await redis.exists("tidings:running", "tidings:counts")
