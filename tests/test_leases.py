"""Who holds a run: heartbeats, runs that go to another worker, and runs that come back to the same one."""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from app.artifacts import FileStore
from app.errors import Unavailable
from app.jobs import Status, new_job_id
from app.settings import Settings
from app.store import Claims, JobStore, Renewal, Run, Secret, UploadStore
from tests import chores
from tests.watching import until
from tests.working import begun, history, job_of, reached, sooner_or_later, working
from workers.leases import Leases
from workers.registry import Registry
from workers.runner import Runner

LEASE = 0.5


class Muted(JobStore):
    """Its heartbeats do not get through while `muted`."""

    muted = False

    async def renew(self, tokens: Mapping[str, str], *, lease_ms: int) -> Renewal:
        if self.muted:
            raise Unavailable
        return await super().renew(tokens, lease_ms=lease_ms)


class Forgetful(JobStore):
    """It believes that the heartbeats of first attempts got through."""

    forgetful = True

    async def claim(self, *arguments: Any, **options: Any) -> Claims:
        claims = await super().claim(*arguments, **options)
        self.forgetful = self.forgetful and all(run.attempt == 1 for run in claims.runs)
        return claims

    async def renew(self, tokens: Mapping[str, str], *, lease_ms: int) -> Renewal:
        if self.forgetful:
            return Renewal(frozenset(), frozenset())
        return await super().renew(tokens, lease_ms=lease_ms)


class Counting(JobStore):
    """Counts the runs of each heartbeat."""

    def __init__(self, redis: Redis) -> None:
        super().__init__(redis)
        self.sizes: list[int] = []

    async def renew(self, tokens: Mapping[str, str], *, lease_ms: int) -> Renewal:
        self.sizes.append(len(tokens))
        return await super().renew(tokens, lease_ms=lease_ms)


@pytest.fixture
def counting(redis: Redis) -> Counting:
    return Counting(redis)


@pytest.fixture
def leases(redis: Redis, counting: Counting, tmp_path: Path) -> Leases:
    settings = Settings(data_dir=tmp_path)
    runner = Runner(Registry(()), counting, UploadStore(redis, 60), FileStore(tmp_path), settings, secret=Secret(redis))
    return Leases(counting, runner, LEASE)


def unknown_run() -> Run:
    return Run(new_job_id(), "token", "k", "default", 1, 1, 1000, "{}")


async def test_a_heartbeat_keeps_a_run_beyond_its_lease(
    redis: Redis, redis_url: str, jobs: JobStore, tmp_path: Path
) -> None:
    async with working(redis_url, tmp_path, lease_seconds=LEASE) as worker:
        job_id = await begun(jobs, worker)
        first_end = await redis.zscore("tidings:deadlines", job_id)
        assert first_end

        async def lasts_longer() -> bool:
            return bool(await redis.zscore("tidings:deadlines", job_id) > first_end + LEASE * 1000)

        await sooner_or_later(lasts_longer)
        assert (await job_of(jobs, job_id)).attempt == 1


async def test_a_lost_run_goes_to_another_worker_and_the_first_is_told(
    redis_url: str, jobs: JobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chores.STOPPED.clear()
    monkeypatch.setattr(Muted, "muted", True)
    async with working(redis_url, tmp_path, store=Muted, lease_seconds=LEASE) as first:
        job_id = await begun(jobs, first)
        async with working(redis_url, tmp_path) as second:
            await until(lambda: job_id in second.job_tasks)
            monkeypatch.setattr(Muted, "muted", False)
            await until(lambda: job_id not in first.job_tasks)
            assert chores.STOPPED == [1]
            assert job_id in second.job_tasks
            assert await history(jobs, job_id) == [
                ("pending", "submitted"),
                ("processing", None),
                ("pending", "worker_lost"),
                ("processing", None),
            ]


async def test_a_worker_that_could_not_renew_does_not_take_its_own_runs_for_lost(
    redis: Redis, redis_url: str, jobs: JobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Muted, "muted", True)
    async with working(redis_url, tmp_path, store=Muted, lease_seconds=LEASE) as worker:
        job_id = await begun(jobs, worker)

        async def due(*, now: bool) -> bool:
            seconds, _ = await redis.time()
            score = float(await redis.zscore("tidings:deadlines", job_id) or 0)
            return bool(score < seconds * 1000) is now

        await sooner_or_later(lambda: due(now=True))
        monkeypatch.setattr(Muted, "muted", False)
        await sooner_or_later(lambda: due(now=False))
        job = await job_of(jobs, job_id)
        assert (job.status, job.attempt) == (Status.PROCESSING, 1)


async def test_a_run_that_comes_back_to_its_worker_waits_for_the_lost_one_to_stop(
    redis_url: str, jobs: JobStore, tmp_path: Path
) -> None:
    chores.STOPPED.clear()
    async with working(redis_url, tmp_path, store=Forgetful, lease_seconds=LEASE) as worker:
        job_id = await begun(jobs, worker)
        await reached(jobs, job_id, Status.PROCESSING, attempt=2)
        await until(lambda: chores.STOPPED == [1])
        await jobs.cancel(job_id, "test")
        assert (await reached(jobs, job_id, Status.CANCELLED)).attempt == 2
        await until(lambda: worker.job_counter == 0)
    assert chores.STOPPED == [1, 2]


async def test_many_runs_are_renewed_in_several_calls(leases: Leases, counting: Counting) -> None:
    runs = [unknown_run() for _ in range(600)]
    for run in runs:
        leases.hold(run)
    await leases.renew()
    assert counting.sizes == [256, 256, 88]
    await until(lambda: not any(run in leases for run in runs))


async def test_nothing_is_asked_for_while_nothing_is_held(leases: Leases, counting: Counting) -> None:
    await leases.renew()
    await leases.ensure()
    assert counting.sizes == []


async def test_a_run_that_has_just_ended_is_not_taken_for_lost(leases: Leases) -> None:
    ended, lost = unknown_run(), unknown_run()
    with capture_logs() as logs:
        leases.hold(ended)
        leases.hold(lost)
        await leases.renew()
        leases.release(ended)
        await until(lambda: lost not in leases)
    assert [line["job_id"] for line in logs if line["action"] == "lease.lost"] == [lost.job_id]


async def test_releasing_a_run_leaves_a_later_one_of_its_job_alone(leases: Leases) -> None:
    earlier = unknown_run()
    later = Run(earlier.job_id, "newer", "k", "default", 2, 2, 1000, "{}")
    leases.hold(earlier)
    leases.hold(later)
    leases.release(earlier)
    assert later in leases


async def test_a_loop_that_was_held_up_is_told_of(leases: Leases) -> None:
    beating = asyncio.create_task(leases.heartbeat.run())
    with capture_logs() as logs:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        time.sleep(LEASE)  # noqa: ASYNC251  what the heartbeat is to notice
        await until(lambda: any(line["action"] == "heartbeat.late" for line in logs))
    beating.cancel()
    await asyncio.gather(beating, return_exceptions=True)
