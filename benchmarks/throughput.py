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

CONNECTIONS = 64
SECONDS = 5.0
WARM_UP_SECONDS = 1.0

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
        submissions = await _rate(rig, callers, repeat(SUBMISSION), 202)
        jobs = [place for caller in callers for place in caller.places]
        polls = await _rate(rig, callers, cycle([POLL.format(place).encode() for place in jobs]), 304)
        for caller in callers:
            caller.transport.abort()
    return {
        "submissions_per_second": round(submissions[0]),
        "submission_cpu_us": round(submissions[1]),
        "polls_304_per_second": round(polls[0]),
        "poll_304_cpu_us": round(polls[1]),
    }


async def _rate(rig: Rig, callers: list[Caller], requests: Iterator[bytes], status: int) -> tuple[float, float]:
    """Answers per second with that status, which all must have, and microseconds of CPU for each."""
    for caller in callers:
        caller.begin(requests, status)
    await asyncio.sleep(WARM_UP_SECONDS)
    answered, cpu, began = _answered(callers), rig.cpu_seconds(), time.perf_counter()
    await asyncio.sleep(SECONDS)
    answered, cpu, took = _answered(callers) - answered, rig.cpu_seconds() - cpu, time.perf_counter() - began
    await asyncio.gather(*(caller.end() for caller in callers))
    return answered / took, cpu / answered * 1e6


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
