"""What a finished job costs Redis while it is kept: everything counted, by a server of its own."""

import asyncio
import tempfile
from pathlib import Path

from redis.asyncio import Redis

from app.jobs import Submission
from app.processes.embedded import Valkey
from app.store import Change, JobStore

JOBS = 20_000
AT_ONCE = 20
WARM_UP = 200

PARAMS = '{"input":"upload:aaaaaaaaaaaaaaaaaaaaaaaaaa","format":"mp4","height":720,"video_bitrate":"2M"}'
RUN = (
    Change("progress", '{"percent":42.5,"message":"encoding","eta_seconds":12.5}'),
    Change("log", '{"level":"info","line":"frame= 1000 fps=25 q=28.0 size=1024kB time=00:00:40.00"}'),
    Change("progress", '{"percent":99.5,"message":"encoding","eta_seconds":0.5}'),
    Change("completed", '{"result":{"duration_seconds":40.0,"bytes":1048576}}'),
)
"""With `pending` and `processing` five events stay: of progress the latest."""


async def measure() -> dict[str, float]:
    """Bytes of Redis's memory for each of many finished jobs of one owner."""
    with tempfile.TemporaryDirectory(prefix="tidings-bench-") as directory:
        folder = Path(directory)
        with Valkey(folder, folder / "valkey.sock", persist=False) as valkey:
            async with Redis.from_url(valkey.url) as redis:
                return {"finished_job_bytes": round(await bytes_per_finished_job(redis, JOBS))}


async def bytes_per_finished_job(redis: Redis, count: int) -> float:
    """By how much `used_memory` grows with each; what only the first ones cost is not counted."""
    jobs = JobStore(redis)
    await _finish(jobs, WARM_UP)
    before = await _used(redis)
    await _finish(jobs, count)
    return (await _used(redis) - before) / count


async def _used(redis: Redis) -> int:
    used: int = (await redis.info("memory"))["used_memory"]
    return used


async def _finish(jobs: JobStore, count: int) -> None:
    for _ in range(0, count, AT_ONCE):
        await asyncio.gather(*(jobs.submit(_submission()) for _ in range(AT_ONCE)))
        claims = await jobs.claim("host-name-12345-abcdef", ["default"], AT_ONCE, lease_ms=60_000, kinds=["transcode"])
        await asyncio.gather(*(jobs.apply(run.job_id, RUN, token=run.token) for run in claims.runs))


def _submission() -> Submission:
    return Submission("transcode", PARAMS, "default", "default", 3, 3_600_000, 604_800_000)
