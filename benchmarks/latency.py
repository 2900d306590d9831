"""How soon a client has its 202, and how soon a watcher sees the job begin."""

import asyncio
import json
import random
import time
from statistics import quantiles

from benchmarks.client import Poster
from benchmarks.rig import Rig

JOBS = 300
PAUSE_SECONDS = (0.02, 0.06)


async def measure(rig: Rig) -> dict[str, float]:
    """Milliseconds from the POST's first byte: to its answer, and to `processing` on an SSE feed."""
    poster = await Poster.open(rig.port)
    seen = _Seen()
    watching = asyncio.create_task(seen.watch(rig.port))
    await seen.open.wait()
    accepted, begun = [], []
    for n in range(JOBS + 20):
        started = time.perf_counter()
        job = await poster.submit()
        answered = time.perf_counter()
        processing = await seen.processing(job["job_id"])
        if n >= 20:  # the first ones warm up
            accepted.append((answered - started) * 1000)
            begun.append((processing - started) * 1000)
        await asyncio.sleep(random.uniform(*PAUSE_SECONDS))
    poster.close()
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    return _figures("post_202", accepted) | _figures("post_processing", begun)


class _Seen:
    """When each job's `processing` came over the feed."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self._moments: dict[str, asyncio.Future[float]] = {}

    async def watch(self, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
        writer.write(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n")
        while line := await reader.readline():
            self.open.set()
            if line.startswith(b"data: ") and b'"type":"processing"' in line:
                self._moment(json.loads(line[6:])["job_id"]).set_result(time.perf_counter())

    async def processing(self, job_id: str) -> float:
        async with asyncio.timeout(10):
            return await self._moment(job_id)

    def _moment(self, job_id: str) -> "asyncio.Future[float]":
        return self._moments.setdefault(job_id, asyncio.get_running_loop().create_future())


def _figures(name: str, milliseconds: list[float]) -> dict[str, float]:
    cuts = quantiles(milliseconds, n=100)
    return {
        f"{name}_p50_ms": round(cuts[49], 2),
        f"{name}_p90_ms": round(cuts[89], 2),
        f"{name}_p99_ms": round(cuts[98], 2),
        f"{name}_max_ms": round(max(milliseconds), 2),
    }
