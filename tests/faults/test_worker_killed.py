"""A worker is gone without a word."""

import asyncio
import signal
import time
from collections.abc import Callable
from pathlib import Path

from tests.conftest import is_gone
from tests.faults.house import LEASE_SECONDS, House, until
from tests.faults.notes import begun, pids
from tests.faults.watcher import assert_contiguous, assert_whole, watching


async def test_every_job_of_a_killed_worker_runs_again_within_a_lease_and_two_seconds(
    house: House, short_path: Path, measured: Callable[[str, float], None]
) -> None:
    web, gate = await house.web(), short_path / "gate"
    lost = await house.worker(concurrency=20)
    job_ids = [await web.submit("gated", gate=str(gate)) for _ in range(20)]
    async with watching(job_ids, lambda: [web.port]) as watchers:
        for job_id in job_ids:
            await house.reached(job_id, "processing")
        await house.worker(concurrency=20)
        killed_at = time.monotonic()
        lost.kill()
        for watcher in watchers:
            async with asyncio.timeout(60):
                while watcher.types.count("processing") < 2:
                    await asyncio.sleep(0.02)
        took = max(watcher.arrivals[watcher.types.index("processing", 3)] for watcher in watchers) - killed_at
        measured("worker killed with 20 jobs: all run again", took)
        assert took < LEASE_SECONDS + 2
        gate.touch()
    for watcher, job in zip(watchers, await house.ended(*job_ids), strict=True):
        assert (job.status, job.attempt, job.result) == ("completed", 2, 2)
        assert watcher.connections == 2, "the stream was cut before its end"
        reasons = [event["data"].get("reason") for event in watcher.events if event["type"] == "pending"]
        assert reasons == ["submitted", "worker_lost"]
        assert_whole(watcher, await house.log(job.job_id))


async def test_a_kind_that_kills_its_worker_each_time_ends_worker_lost_and_harms_others_by_an_attempt_each_at_most(
    house: House, short_path: Path, measured: Callable[[str, float], None]
) -> None:
    web, gate = await house.web(), short_path / "gate"
    workers = [await house.worker(lease_seconds=2)]
    bystanders = [await web.submit("gated", gate=str(gate)) for _ in range(4)]
    for job_id in bystanders:
        await house.reached(job_id, "processing")
    began = time.monotonic()
    murderer = await web.submit("murder")
    while not (await house.job(murderer)).ended or not workers[-1].alive:
        if not workers[-1].alive:
            workers.append(await house.worker(lease_seconds=2))
        await asyncio.sleep(0.02)
    measured("a kind that kills its worker, three attempts: failed", time.monotonic() - began)
    job = await house.job(murderer)
    assert job.error
    assert (job.status, job.error["code"], job.attempt) == ("failed", "worker_lost", 3)
    assert [worker.exit_code for worker in workers] == 3 * [-signal.SIGKILL] + [None]
    assert_contiguous(await house.log(murderer))
    gate.touch()
    for job in await house.ended(*bystanders):
        log = await house.log(job.job_id)
        lost = [event for event in log if event.parsed().get("reason") == "worker_lost"]
        assert (job.status, job.result) == ("completed", job.attempt)
        assert job.attempt == 1 + len(lost) <= len(workers)
        assert_contiguous(log)


async def test_nothing_that_the_jobs_of_a_killed_worker_have_started_outlives_it(
    house: House, short_path: Path, measured: Callable[[str, float], None]
) -> None:
    web, worker = await house.web(), await house.worker(spare_process_seconds=60)
    files = [short_path / kind for kind in ("family", "family_process")]
    await begun(house, {await web.submit(file.name, pids=str(file)): file for file in files})
    processes = worker.children + pids(*files)
    assert len(processes) == 7  # with the one that is kept ready for the next run
    assert not any(map(is_gone, processes))
    worker.send(signal.SIGKILL)

    async def over() -> bool:
        return all(map(is_gone, processes))

    took = await until(over)
    measured("worker killed: all processes of its jobs gone", took)
    assert took < LEASE_SECONDS, "they go on while the next attempt runs"
