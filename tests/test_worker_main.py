"""Worker processes as `tidings worker` starts them: killed, told to stop, told twice, and unable to start."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from app.jobs import Status
from app.store import JobStore
from tests.ground import accepted
from tests.watching import until
from tests.webhooks.receiver import receiving
from tests.working import FAR, begun, history, job_of, reached, working

WORKER = ("-m", "app.cli", "worker")

IMPATIENT = (
    "-c",
    "import workers.drain, app.cli\n"
    "workers.drain.UNWIND_SECONDS = workers.drain.ABANDON_SECONDS = 0.1\n"
    "app.cli.app(['worker'])",
)
"""The same with next to no patience for what cannot be interrupted."""


@asynccontextmanager
async def worker_process(
    url: str, data_dir: Path, argv: tuple[str, ...] = WORKER, **settings: Any
) -> AsyncIterator[Process]:
    """Killed at the latest when the block ends."""
    chosen = {"redis_url": url, "data_dir": data_dir, "handlers": "tests.chores", "lease_seconds": FAR} | settings
    env = os.environ | {f"TIDINGS_{name.upper()}": str(value) for name, value in chosen.items()}
    process = await asyncio.create_subprocess_exec(
        sys.executable, *argv, env=env, cwd=Path(__file__).parents[1], stderr=PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def end_of(process: Process) -> tuple[int | None, str]:
    """Exit code and log, once it has ended by itself."""
    async with asyncio.timeout(20):
        _, log = await process.communicate()
    return process.returncode, log.decode()


async def stopping(process: Process) -> None:
    """SIGTERM, and until it is heeded."""
    assert process.stderr
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(20):
        while b"worker.stopping" not in await process.stderr.readline():
            pass


def is_quiet(log: str) -> bool:
    """Nothing but our own lines."""
    return not any(word in log for word in ("Traceback", "destroyed", "never retrieved", "Warning"))


async def test_the_jobs_of_a_worker_that_is_killed_run_elsewhere(
    redis_url: str, jobs: JobStore, tmp_path: Path
) -> None:
    async with worker_process(redis_url, tmp_path, lease_seconds=0.6) as process:
        job_id = await begun(jobs)
        process.kill()
        async with working(redis_url, tmp_path):
            await reached(jobs, job_id, Status.PROCESSING, attempt=2)
            assert ("pending", "worker_lost") in await history(jobs, job_id)


async def test_sigterm_lets_running_jobs_end_and_claims_no_more(redis_url: str, jobs: JobStore, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    async with worker_process(redis_url, tmp_path, shutdown_grace_seconds=FAR) as process:
        running = await accepted(jobs, kind="gated", params=f'{{"gate":"{gate}"}}')
        await reached(jobs, running, Status.PROCESSING)
        await stopping(process)
        late = await accepted(jobs, kind="chore")
        gate.touch()
        code, log = await end_of(process)
    assert code == 0
    assert is_quiet(log), log
    assert (await job_of(jobs, running)).status is Status.COMPLETED
    assert (await job_of(jobs, late)).status is Status.PENDING


async def test_what_outlasts_the_grace_goes_back_to_its_queue_and_keeps_its_attempt(
    redis_url: str, jobs: JobStore, tmp_path: Path
) -> None:
    async with worker_process(redis_url, tmp_path, shutdown_grace_seconds=0.1) as process:
        job_id = await begun(jobs)
        process.send_signal(signal.SIGTERM)
        code, log = await end_of(process)
    assert code == 0
    assert is_quiet(log), log
    job = await job_of(jobs, job_id)
    assert (job.status, job.attempt) == (Status.PENDING, 0)
    assert (await history(jobs, job_id))[-1] == ("pending", "interrupted")


async def test_a_worker_without_slots_for_jobs_sends_webhooks_and_offers_no_kind(
    redis: Redis, redis_url: str, jobs: JobStore, tmp_path: Path
) -> None:
    async with receiving() as receiver:
        told = {"callback_url": receiver.url, "callback_events": ("pending",)}
        job_id = await accepted(jobs, kind="chore", **told)
        async with worker_process(redis_url, tmp_path, concurrency=0, webhook_allow_networks="127.0.0.0/8") as process:
            await until(lambda: receiver.requests)
            process.send_signal(signal.SIGTERM)
            code, log = await end_of(process)
    assert code == 0
    assert is_quiet(log), log
    assert (await job_of(jobs, job_id)).status is Status.PENDING
    assert not await redis.exists("tidings:kinds")


async def test_a_second_signal_cuts_the_grace_short(redis_url: str, jobs: JobStore, tmp_path: Path) -> None:
    async with worker_process(redis_url, tmp_path, shutdown_grace_seconds=FAR) as process:
        job_id = await begun(jobs)
        await stopping(process)
        process.send_signal(signal.SIGINT)
        code, log = await end_of(process)
    assert code == 0
    assert is_quiet(log), log
    assert (await history(jobs, job_id))[-1] == ("pending", "interrupted")


async def test_a_thread_that_never_ends_does_not_keep_the_process_and_its_job_goes_on_elsewhere(
    redis_url: str, jobs: JobStore, tmp_path: Path
) -> None:
    async with worker_process(redis_url, tmp_path, IMPATIENT, shutdown_grace_seconds=0) as process:
        job_id, cancelled = [await accepted(jobs, kind="stubborn") for _ in range(2)]
        for each in (job_id, cancelled):
            await reached(jobs, each, Status.PROCESSING)
        await jobs.cancel(cancelled, "test")
        process.send_signal(signal.SIGTERM)
        code, log = await end_of(process)
    assert code == 1
    assert "worker.stuck" in log
    job = await job_of(jobs, job_id)
    assert (job.status, job.attempt) == (Status.PENDING, 0)
    assert (await history(jobs, job_id))[-1] == ("pending", "interrupted")
    assert (await job_of(jobs, cancelled)).status is Status.PROCESSING, "cancelled is written only of what is gone"


async def test_a_worker_without_redis_can_be_stopped(short_path: Path) -> None:
    async with worker_process(f"unix://{short_path}/none.sock", short_path) as process:
        assert process.stderr
        async with asyncio.timeout(20):
            while b"claim.failed" not in await process.stderr.readline():
                pass
        process.send_signal(signal.SIGINT)
        code, log = await end_of(process)
    assert code == 0
    assert is_quiet(log), log


async def test_handlers_that_cannot_be_loaded_end_it_with_a_word(redis_url: str, tmp_path: Path) -> None:
    async with worker_process(redis_url, tmp_path, handlers="no.such.module") as process:
        code, log = await end_of(process)
    assert code == 1
    assert "no.such.module" in log
    assert is_quiet(log), log
