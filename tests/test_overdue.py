"""The watch that every process keeps over overdue jobs, whether or not a worker is left."""

import asyncio
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from structlog.testing import capture_logs

from app.errors import Unavailable
from app.jobs import Status, new_job_id
from app.main import assemble
from app.overdue import BATCH, Overdue
from app.settings import Settings
from app.store import JobStore
from tests.ground import accepted, claimed
from tests.watching import until
from tests.working import reached


class Flaky(JobStore):
    """Redis is away for its first calls."""

    failures = 3
    calls = 0

    async def settle_overdue(self, limit: int = 256) -> int:
        self.calls += 1
        if self.calls <= self.failures:
            raise Unavailable
        return await super().settle_overdue(limit)


def actions(logs: Any) -> list[str]:
    return [line["action"] for line in logs]


async def test_everything_overdue_is_settled_in_one_look(redis: Redis, jobs: JobStore) -> None:
    await redis.zadd("tidings:deadlines", {new_job_id(): 1 for _ in range(2 * BATCH + 1)})
    await Overdue(jobs).settle()
    assert not await redis.exists("tidings:deadlines")


async def test_the_next_look_is_a_second_away_and_not_in_step_with_others(jobs: JobStore) -> None:
    delays = {await Overdue(jobs).settle() for _ in range(20)}
    assert len(delays) > 1
    assert all(0.8 <= delay <= 1.2 for delay in delays)


async def test_where_nothing_is_overdue_nothing_is_said(jobs: JobStore) -> None:
    with capture_logs() as logs:
        await Overdue(jobs).settle()
    assert logs == []


async def test_it_outlives_redis_being_away_and_says_so_once(redis: Redis) -> None:
    jobs = Flaky(redis)
    await redis.zadd("tidings:deadlines", {new_job_id(): 1})
    overdue = Overdue(jobs)
    with capture_logs() as logs:
        watching = asyncio.create_task(overdue.watch.run())
        await until(lambda: "overdue.recovered" in actions(logs))
        overdue.watch.stop()
        await watching
    assert actions(logs) == ["overdue.failed", "jobs.settled", "overdue.recovered"]


async def test_a_web_process_alone_brings_jobs_to_their_end(redis_url: str, jobs: JobStore, tmp_path: Path) -> None:
    late = await accepted(jobs, start_within_ms=1)
    lost = await accepted(jobs, max_attempts=1)
    assert (await claimed(jobs, lease_ms=1)).job_id == lost
    async with assemble(Settings(redis_url=redis_url, data_dir=tmp_path)).alive(None):
        for job_id, code in ((late, "expired"), (lost, "worker_lost")):
            job = await reached(jobs, job_id, Status.FAILED)
            assert job.error
            assert job.error["code"] == code
