"""A real worker in the test's own loop, and what its jobs come to."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from app.artifacts import FileStore
from app.jobs import Job, Status
from app.settings import Settings
from app.store import JobStore, KindStore, Secret, UploadStore
from tests.ground import accepted
from tests.watching import until
from workers.main import connect
from workers.registry import Registry
from workers.runner import Runner
from workers.worker import JobWorker

CHORES: Final = ("tests.chores",)

FAR = 600.0
"""Seconds no test waits for: a lease or a look at the queue that cannot be what made something happen."""


@asynccontextmanager
async def working(
    url: str, data_dir: Path, *, handlers: Collection[str] = CHORES, store: type[JobStore] = JobStore, **settings: Any
) -> AsyncIterator[JobWorker]:
    """At work until the block ends; what it runs then is interrupted."""
    chosen = Settings(data_dir=data_dir, **({"lease_seconds": FAR} | settings))
    redis = connect(url)
    jobs, uploads, files = store(redis), UploadStore(redis, 60), FileStore(data_dir)
    registry = Registry.load(handlers)
    runner = Runner(registry, jobs, uploads, files, chosen, secret=Secret(redis))
    worker = JobWorker(
        redis=redis, store=jobs, kinds=KindStore(redis), registry=registry, runner=runner, settings=chosen
    )
    task = asyncio.create_task(worker.main())
    try:
        yield worker
    finally:
        worker.stop(0)
        await task
        await redis.aclose(close_connection_pool=True)


async def job_of(jobs: JobStore, job_id: str) -> Job:
    view = await jobs.read(job_id)
    assert view
    return view.job


async def sooner_or_later(condition: Callable[[], Awaitable[object]], seconds: float = 20) -> None:
    """Wait until the condition holds; the deadline only ends a test that has failed."""
    async with asyncio.timeout(seconds):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.005)


async def reached(jobs: JobStore, job_id: str, status: Status, *, attempt: int | None = None) -> Job:
    """The job, once it stands there."""

    async def there() -> bool:
        job = await job_of(jobs, job_id)
        assert job.status is status or not job.ended, job
        return job.status is status and attempt in (None, job.attempt)

    await sooner_or_later(there)
    return await job_of(jobs, job_id)


async def begun(jobs: JobStore, worker: JobWorker | None = None, **fields: Any) -> str:
    """The id of an `endless` job that runs, on that worker if one is given."""
    job_id = await accepted(jobs, kind="endless", **fields)
    await reached(jobs, job_id, Status.PROCESSING)
    if worker:
        await until(lambda: job_id in worker.job_tasks)
    return job_id


async def history(jobs: JobStore, job_id: str) -> list[tuple[str, Any]]:
    """Types of the job's events, each with its reason if it has one."""
    view = await jobs.read(job_id, after=0)
    assert view
    return [(event.type, event.parsed().get("reason")) for event in view.events]
