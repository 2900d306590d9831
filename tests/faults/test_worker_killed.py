"""A worker is gone without a word."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from tests.faults.house import LEASE_SECONDS, House
from tests.faults.watcher import assert_whole, watching


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
