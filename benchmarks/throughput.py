"""How much one web process on a core of its own takes: submissions, and polls that are answered 304.

Redis and the load share the other cores. CPU is the web process's own, by the kernel; it holds whatever else the
machine does, as the rates do not.
"""

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle, repeat

from redis.asyncio import Redis

from app.store import Kind, KindStore
from benchmarks.client import Caller
from benchmarks.rig import Rig

CONNECTIONS = 256
"""So many that the web process has work while Redis has some: both take their requests in turns."""

ROUNDS = 7
ROUND_SECONDS = 1.0
WARM_UP_SECONDS = 1.0

WARM_UP_JOBS = 10
"""Of each connection: jobs at the head of a queue are told their places, so their entity tags change."""

QUEUE = "throughput"
"""No worker serves it."""

SCHEMA = {
    "type": "object",
    "properties": {"text": {"type": "string"}, "height": {"type": "integer", "minimum": 16}},
    "additionalProperties": False,
}
BODY = b'{"kind":"throughput","params":{"text":"the quick brown fox","height":720}}'
SUBMISSION = (
    b"POST /api/jobs HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\nUser-Agent: bench\r\n"
    b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
)
POLL = 'GET {} HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\nUser-Agent: bench\r\nIf-None-Match: "1"\r\n\r\n'


async def measure(rig: Rig) -> dict[str, float]:
    """Requests per second, and microseconds of server CPU for each."""
    async with Redis.from_url(rig.redis_url) as redis:
        await KindStore(redis).announce([Kind("throughput", "", SCHEMA, QUEUE, 60, 1)])
        pid = (await redis.info("server"))["process_id"]
    await asyncio.sleep(1.1)  # by then the web process has heard of the kind
    with apart(rig.web_pid, pid, os.getpid()):
        callers = [await Caller.open(rig.port) for _ in range(CONNECTIONS)]
        figures = await _load(rig, callers, repeat(SUBMISSION), 202, "submission")
        jobs = [place for caller in callers for place in caller.places[WARM_UP_JOBS:]]
        polls = cycle([POLL.format(place).encode() for place in jobs])
        figures |= await _load(rig, callers, polls, 304, "poll_304")
        for caller in callers:
            caller.transport.abort()
    return figures


async def _load(rig: Rig, callers: list[Caller], requests: Iterator[bytes], status: int, name: str) -> dict[str, float]:
    """The figures of several rounds of requests, whose answers must all have that status."""
    for caller in callers:
        caller.begin(requests, status)
    await asyncio.sleep(WARM_UP_SECONDS)
    cpu, before = rig.cpu_seconds(), _answered(callers)
    rates = sorted([await _round(callers) for _ in range(ROUNDS)])
    cpu, answered = rig.cpu_seconds() - cpu, _answered(callers) - before
    await asyncio.gather(*(caller.end() for caller in callers))
    return {
        f"{name}s_per_second_median": round(rates[ROUNDS // 2]),
        f"{name}s_per_second_min": round(rates[0]),
        f"{name}s_per_second_max": round(rates[-1]),
        f"{name}_cpu_us": round(cpu / answered * 1e6),
    }


async def _round(callers: list[Caller]) -> float:
    answered, began = _answered(callers), time.perf_counter()
    await asyncio.sleep(ROUND_SECONDS)
    return (_answered(callers) - answered) / (time.perf_counter() - began)


def _answered(callers: list[Caller]) -> int:
    return sum(caller.answered for caller in callers)


@contextmanager
def apart(alone: int, *others: int) -> Iterator[None]:
    """The first process has a core for itself, the others share the rest; where the kernel can do that."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(cores) < 2:
        yield
        return
    for pid in others:
        os.sched_setaffinity(pid, cores[1:])
    os.sched_setaffinity(alone, cores[:1])
    try:
        yield
    finally:
        for pid in (alone, *others):
            os.sched_setaffinity(pid, cores)
