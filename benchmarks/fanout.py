"""What a watcher costs: server CPU per delivered event when a thousand watch one job, and memory when they are idle."""

import asyncio

from redis.asyncio import Redis

from app.events import json_text
from app.jobs import Submission
from app.store import Change, JobStore
from benchmarks.client import open_streams
from benchmarks.rig import Rig

WATCHERS = 1_000
EVENTS = 300
ROUNDS = 5
IDLE_STREAMS = 5_000
MARK = b"\nevent: tick\n"


async def measure(rig: Rig) -> dict[str, float]:
    """Microseconds per delivery over several rounds of back-to-back custom events, and kilobytes per idle stream."""
    redis = Redis.from_url(rig.redis_url)
    jobs = JobStore(redis)
    costs = sorted([await _round(rig, jobs) for _ in range(ROUNDS)])
    idle = await _idle(rig, jobs)
    await redis.aclose()
    return {
        "fanout_us_per_delivery_median": round(costs[ROUNDS // 2], 2),
        "fanout_us_per_delivery_min": round(costs[0], 2),
        "fanout_us_per_delivery_max": round(costs[-1], 2),
        "idle_stream_kb": round(idle / 1024, 2),
    }


async def _round(rig: Rig, jobs: JobStore) -> float:
    job_id, token = await _running(jobs)
    streams = await open_streams(rig.port, f"/api/jobs/{job_id}/events", MARK, WATCHERS)
    before = rig.cpu_seconds()
    for n in range(EVENTS):
        await jobs.apply(job_id, [Change("tick", f'{{"n":{n}}}')], token=token)
    async with asyncio.timeout(60):
        while any(stream.count < EVENTS for stream in streams):
            await asyncio.sleep(0.01)
    cost = (rig.cpu_seconds() - before) / (WATCHERS * EVENTS)
    for stream in streams:
        stream.transport.abort()
    await jobs.apply(job_id, [Change("completed", "{}")], token=token)
    return cost * 1e6


async def _idle(rig: Rig, jobs: JobStore) -> float:
    job_id, token = await _running(jobs)
    path = f"/api/jobs/{job_id}/events"
    before = rig.memory_bytes()
    streams = await open_streams(rig.port, path, MARK, IDLE_STREAMS)
    per_stream = (rig.memory_bytes() - before) / IDLE_STREAMS
    for stream in streams:
        stream.transport.abort()
    await jobs.apply(job_id, [Change("completed", "{}")], token=token)
    return per_stream


async def _running(jobs: JobStore) -> tuple[str, str]:
    """A job of a queue no worker serves, claimed by ourselves."""
    job = Submission("tick", json_text({}), "default", "bench", 1, 3_600_000, 60_000)
    await jobs.submit(job)
    (run,) = (await jobs.claim("bench", ["bench"], 1, lease_ms=3_600_000, kinds=["tick"])).runs
    return run.job_id, run.token
