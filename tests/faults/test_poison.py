"""What lies in Redis has gone bad: no worker dies of it or runs in circles, nothing of it is executed, others go on."""

import asyncio
import os
import pickle
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, TypeAlias

import pytest
from redis.asyncio import Redis

from app.jobs import new_job_id
from app.queue import encode
from tests.faults.house import LEASE_SECONDS, Process, until
from tests.faults.notes import Notes, begun
from tests.faults.service import Service, shared
from tests.faults.watcher import assert_contiguous

QUEUE: Final = "tidings:later:default"
NUDGES: Final = "tidings:nudge:default"
DEADLINES: Final = "tidings:deadlines"

WATCHED_SECONDS: Final = 3.0
"""Some of the worker's rounds, which come every second."""
MOST_CPU: Final = 0.25
"""Of a core; one that runs in circles takes all of it."""
MOST_LINES: Final = 10
"""In the log, for each second."""

Poison: TypeAlias = Callable[[Redis, str], Awaitable[Any]]


class Evil:
    """Unpickled, it makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def call(**changes: Any) -> bytes:
    return encode({"t": None, "f": "run", "a": ["someone"], "k": {}, "et": 0} | changes)


def queue_entry(content: bytes) -> Poison:
    """In the place of what arq is to read."""
    return lambda redis, job_id: redis.set(f"arq:job:{job_id}", content)


def field(name: str, value: str) -> Poison:
    """Of the record."""
    return lambda redis, job_id: redis.hset(record(job_id), name, value)  # type: ignore[return-value]  # redis-py


def replaced(key: Callable[[str], str], *command: Any) -> Poison:
    """A key of another type: deleted, and then made by a command."""

    async def replace(redis: Redis, job_id: str) -> None:
        await redis.delete(key(job_id))
        if command:
            verb, *arguments = command
            await redis.execute_command(verb, key(job_id), *arguments)  # type: ignore[no-untyped-call]  # redis-py

    return replace


def record(job_id: str) -> str:
    return f"tidings:{{{job_id}}}:job"


def params(job_id: str) -> str:
    return f"tidings:{{{job_id}}}:params"


def events(job_id: str) -> str:
    return f"tidings:{{{job_id}}}:events"


def payload(job_id: str) -> str:
    return f"arq:job:{job_id}"


ENDING: Final = {
    "payload is garbage": (queue_entry(b"\x80\x04\xff garbage"), "rejected"),
    "payload is of an unknown function": (queue_entry(call(f="no_such")), "rejected"),
    "payload is of another job": (queue_entry(call()), "rejected"),
    "payload is gone": (replaced(payload), "rejected"),
    "payload is a list": (replaced(payload, "RPUSH", "x"), "rejected"),
    "kind is unknown to all": (field("kind", "nobody_knows_it"), "unknown_kind"),
    "params are garbage": (replaced(params, "SET", b"\xff{"), "rejected"),
    "params are no object": (replaced(params, "SET", "[1]"), "rejected"),
    "params are gone": (replaced(params), "rejected"),
    "params are a list": (replaced(params, "RPUSH", "x"), "rejected"),
}
"""Poison of a job that still can be told its end, and the code of that end."""

HOPELESS: Final = {
    "record is gone": replaced(record),
    "record is a text": replaced(record, "SET", "x"),
    "record is almost empty": replaced(record, "HSET", "status", "pending"),
    "record has no numbers": field("seq", "x"),
    "record lacks its timeout": lambda redis, job_id: redis.hdel(record(job_id), "timeout"),
    "log is a text": replaced(events, "SET", "x"),
    "log is ahead": replaced(events, "XADD", "999-0", "t", "x"),
    "queue has an entry of nobody": lambda redis, _: redis.zadd(QUEUE, {b"\xff\x00": 0, new_job_id(): 1, "": 2}),
    "deadlines have an entry of nobody": lambda redis, _: redis.zadd(DEADLINES, {b"\xff\x00": 0, new_job_id(): 1}),
    "deadlines have a job whose record is a text": lambda redis, job_id: both(
        replaced(record, "SET", "x")(redis, job_id), redis.zadd(DEADLINES, {job_id: 0})
    ),
    "nudges are garbage": lambda redis, _: redis.rpush(NUDGES, *(100 * [b"\xff\x00"])),
    "nudges are a text": lambda redis, _: redis.set(NUDGES, "x"),
    "nudges are a set": lambda redis, _: both(redis.delete(NUDGES), redis.sadd(NUDGES, "x")),
    "a kind is garbage": lambda redis, _: redis.hset("tidings:kinds", "junk", b"\xff{"),
    "arq has retried too often": lambda redis, job_id: redis.set(f"arq:retry:{job_id}", "x"),
}
"""Poison that nothing can be told of, or that is no job's."""


async def both(first: Awaitable[Any], second: Awaitable[Any]) -> None:
    await first
    await second


async def poisoned(service: Service, poison: Poison) -> str:
    """A job that has gone bad before it was due, and now is."""
    redis = service.house.redis
    job_id = await service.web.submit("steady", request={"delay_seconds": 3600}, steps=1)
    await poison(redis, job_id)
    await redis.zadd(QUEUE, {job_id: 0})
    return job_id


async def assert_at_work(service: Service) -> None:
    """Jobs are accepted, run and listed as ever."""
    job = await service.outcome("steady", steps=1)
    assert job.status == "completed"
    listed = (await service.web.api.get("/api/jobs?limit=1")).json()["jobs"]
    assert [each["job_id"] for each in listed] == [job.job_id]
    assert "steady" in [kind["kind"] for kind in (await service.web.api.get("/api/kinds")).json()["kinds"]]


@shared
@pytest.mark.parametrize("poison", ENDING)
async def test_a_job_that_has_gone_bad_fails_and_others_go_on(service: Service, poison: str) -> None:
    spoil, code = ENDING[poison]
    job_id = await poisoned(service, spoil)
    await assert_at_work(service)
    (job,) = await service.house.ended(job_id)
    assert job.error
    assert (job.status, job.error["code"]) == ("failed", code)
    assert_contiguous(await service.house.log(job_id))


@shared
async def test_a_pickle_is_never_executed(service: Service, short_path: Path) -> None:
    evil = short_path / "executed"
    job_id = await poisoned(service, queue_entry(pickle.dumps(Evil(evil))))
    await assert_at_work(service)
    (job,) = await service.house.ended(job_id)
    assert job.error
    assert (job.status, job.error["code"]) == ("failed", "rejected")
    assert not evil.exists()
    pickle.loads(pickle.dumps(Evil(evil)))
    assert evil.exists(), "it is not so evil after all"


@shared
@pytest.mark.parametrize("poison", HOPELESS)
async def test_what_nobody_can_make_sense_of_stops_nobody(service: Service, poison: str) -> None:
    await poisoned(service, HOPELESS[poison])
    await assert_at_work(service)


@shared
@pytest.mark.parametrize("key", [record, events])
async def test_a_job_that_goes_bad_while_it_runs_is_given_up_alone(
    service: Service, short_path: Path, key: Callable[[str], str]
) -> None:
    witness, gate = Notes(short_path, "witness"), short_path / "gate"
    beside = await service.web.submit("gated", gate=str(gate))
    job_id = await service.web.submit("witness", **witness.params)
    await begun(service.house, {job_id: witness.file})
    await replaced(key, "SET", "x")(service.house.redis, job_id)

    async def stopped() -> bool:
        return witness.all == ["begun", "CancelledError"]

    await until(stopped)
    await asyncio.sleep(LEASE_SECONDS)
    gate.touch()
    job = await service.ended(beside)
    assert (job.status, job.attempt) == ("completed", 1)


@shared
async def test_no_worker_runs_in_circles_on_poison(service: Service, measured: Callable[[str, float], None]) -> None:
    for spoil in [*(spoil for spoil, _ in ENDING.values()), *HOPELESS.values()]:
        await poisoned(service, spoil)
    await assert_at_work(service)
    used, said = cpu_seconds(service.worker), len(service.worker.lines())
    await asyncio.sleep(WATCHED_SECONDS)
    cpu = (cpu_seconds(service.worker) - used) / WATCHED_SECONDS
    measured("all kinds of poison in Redis: share of a core that the worker takes (no time)", cpu)
    assert cpu < MOST_CPU
    assert len(service.worker.lines()) - said < MOST_LINES * WATCHED_SECONDS
    await assert_at_work(service)


def cpu_seconds(process: Process) -> float:
    """It has used so far."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
