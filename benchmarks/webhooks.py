"""How many webhooks one worker process delivers a second, and how long others wait while a receiver swallows its own.

`python -m benchmarks webhooks`. The worker is alone on one core; Valkey, receivers and what submits share the others.
Webhooks are of jobs' submissions, in a queue that no worker serves, so that it has nothing else to do.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import cast

from redis.asyncio import Redis

from app.jobs import Submission
from app.processes.embedded import Valkey
from app.store import JobStore
from benchmarks.rig import cpu_seconds, process
from benchmarks.throughput import apart

DELIVERIES = 5_000
SWALLOWED = 10_000
PACED = 500
PACE_SECONDS = 0.02
ROUNDS = 3
DEADLINE_SECONDS = 120.0
WARM_UP = 500
ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"
BATCH = 500


@dataclass
class Receiver:
    """Notes when the webhook of which job came; one that swallows never answers."""

    swallows: bool = False
    arrivals: dict[str, float] = field(default_factory=dict)


class Connection(asyncio.Protocol):
    """Of a receiver; answers each request at once, or not at all."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._pending = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._pending += data
        while request := self._whole():
            name = request.partition(b"webhook-id: ")[2].partition(b"-")[0].decode()
            self._receiver.arrivals[name] = time.perf_counter()
            if not self._receiver.swallows:
                self._transport.write(ANSWER)

    def _whole(self) -> bytes:
        head, end, rest = self._pending.partition(b"\r\n\r\n")
        if not end:
            return b""
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(rest) < length:
            return b""
        self._pending = rest[length:]
        return head


async def measure() -> dict[str, float]:
    """Deliveries per second with the worker's CPU for each, and milliseconds that others waited."""
    receiver, black_hole = Receiver(), Receiver(swallows=True)
    async with _listening(receiver) as url, _listening(black_hole) as nowhere:
        rates, cpus = zip(*[await _rate(receiver, url) for _ in range(ROUNDS)], strict=True)
        waits = await _waits(receiver, url, black_hole, nowhere)
    percentiles = quantiles(waits, n=100)
    return {
        "webhooks_per_second_median": round(median(rates)),
        "webhooks_per_second_min": round(min(rates)),
        "webhooks_per_second_max": round(max(rates)),
        "webhook_cpu_us": round(median(cpus)),
        "webhook_beside_black_hole_p50_ms": round(percentiles[49], 2),
        "webhook_beside_black_hole_p99_ms": round(percentiles[98], 2),
        "webhook_beside_black_hole_max_ms": round(max(waits), 2),
    }


async def _rate(receiver: Receiver, url: str) -> tuple[float, float]:
    """All of them are there before the worker starts."""
    receiver.arrivals.clear()
    async with _store() as (redis, env):
        await _submit(JobStore(redis), url, DELIVERIES)
        with process("worker", env) as worker, apart(worker.pid, await _pid(redis), os.getpid()):
            await _until(lambda: len(receiver.arrivals) > WARM_UP)
            began, cpu, before = time.perf_counter(), cpu_seconds(worker.pid), len(receiver.arrivals)
            await _until(lambda: len(receiver.arrivals) == DELIVERIES)
            seconds, delivered = time.perf_counter() - began, DELIVERIES - before
            return delivered / seconds, (cpu_seconds(worker.pid) - cpu) / delivered * 1e6


async def _waits(receiver: Receiver, url: str, black_hole: Receiver, nowhere: str) -> list[float]:
    """From each submission to the arrival of its webhook, while the other's wait."""
    receiver.arrivals.clear()
    submitted: dict[str, float] = {}
    async with _store() as (redis, env):
        jobs = JobStore(redis)
        await _submit(jobs, nowhere, SWALLOWED)
        with process("worker", env) as worker, apart(worker.pid, await _pid(redis), os.getpid()):
            await _until(lambda: black_hole.arrivals)
            for _ in range(PACED):
                one = _submission(url)
                submitted[one.job_id] = time.perf_counter()
                await jobs.submit(one)
                await asyncio.sleep(PACE_SECONDS)
            await _until(lambda: len(receiver.arrivals) == PACED)
    return [1000 * (receiver.arrivals[job_id] - at) for job_id, at in submitted.items()]


@asynccontextmanager
async def _listening(receiver: Receiver) -> AsyncIterator[str]:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(receiver), "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    server.close()


@asynccontextmanager
async def _store() -> AsyncIterator[tuple[Redis, Mapping[str, str]]]:
    """An empty one, and the environment of its worker."""
    with tempfile.TemporaryDirectory(prefix="tidings-bench-") as directory:
        folder = Path(directory)
        with Valkey(folder / "valkey", folder / "valkey" / "valkey.sock", persist=False) as valkey:
            env = os.environ | {
                "TIDINGS_REDIS_URL": valkey.url,
                "TIDINGS_DATA_DIR": str(folder / "data"),
                "TIDINGS_LOG_LEVEL": "error",
                "TIDINGS_WEBHOOK_ALLOW_NETWORKS": "127.0.0.0/8",
            }
            async with Redis.from_url(valkey.url) as redis:
                yield redis, env


async def _submit(jobs: JobStore, url: str, count: int) -> None:
    await jobs.submit(_submission(""))  # tells nobody; now the server has the script
    for _ in range(count // BATCH):
        await asyncio.gather(*(jobs.submit(_submission(url)) for _ in range(BATCH)))


def _submission(url: str) -> Submission:
    return Submission(
        kind="countdown",
        params='{"seconds":5,"text":"the quick brown fox"}',
        owner="default",
        queue="webhooks",
        max_attempts=1,
        timeout_ms=60_000,
        result_ttl_ms=3_600_000,
        callback_url=url,
        callback_events=("pending",),
    )


async def _pid(redis: Redis) -> int:
    pid: int = (await redis.info("server"))["process_id"]
    return pid


async def _until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not condition():
            await asyncio.sleep(0.005)
