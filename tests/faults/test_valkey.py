"""The store is restarted or frozen while jobs run, clients watch and others submit."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx

from app.bus import LONGEST_BACKOFF_SECONDS
from app.events import Event
from tests.faults.house import House, Web, until_all
from tests.faults.watcher import Watcher, assert_whole, watching

PLACES: Final = ("ticking", "ticking", "ticking", "ticking_thread", "ticking_process") * 4
WATCHERS: Final = 50
SUBMITTERS: Final = 3
LEASE_SECONDS: Final = 3.0
AWAY_SECONDS: Final = 3.5
"""Longer than a lease, as all outages here."""
FROZEN_SECONDS: Final = 5.0
LONG_FROZEN_SECONDS: Final = 7.0
"""Longer than web and workers wait for an answer (5 s): what they asked for is carried out behind their backs."""

Measured = Callable[[str, float], None]


async def test_valkey_killed_and_started_again_loses_nothing_and_costs_no_attempt(
    house: House, short_path: Path, measured: Measured
) -> None:
    async with load(house, short_path) as watchers:
        house.valkey.kill()
        await away(house)
        measured("Valkey killed and back: every stream goes on", await recovery(watchers))


async def test_valkey_stopped_and_started_again_loses_nothing_and_costs_no_attempt(
    house: House, short_path: Path, measured: Measured
) -> None:
    async with load(house, short_path) as watchers:
        await away(house)
        measured("Valkey stopped and back: every stream goes on", await recovery(watchers))


async def test_valkey_frozen_loses_nothing_and_costs_no_attempt(
    house: House, short_path: Path, measured: Measured
) -> None:
    async with load(house, short_path) as watchers:
        await frozen(house, FROZEN_SECONDS)
        measured("Valkey frozen for 5 s: every stream goes on", await recovery(watchers))


async def test_valkey_frozen_for_longer_than_anybody_waits_loses_nothing_doubles_nothing_and_costs_no_attempt(
    house: House, short_path: Path, measured: Measured
) -> None:
    async with load(house, short_path) as watchers:
        await frozen(house, LONG_FROZEN_SECONDS)
        measured("Valkey frozen for 7 s: every stream goes on", await recovery(watchers))


async def away(house: House) -> None:
    """Stopped, unless it is already gone, and started again after a while."""
    house.valkey.stop()
    await asyncio.sleep(AWAY_SECONDS)
    house.valkey.start()


async def frozen(house: House, seconds: float) -> None:
    """Stopped in its tracks for so long: connections stay open, nothing is answered."""
    pid = (await house.redis.info("server"))["process_id"]
    os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        os.kill(pid, signal.SIGCONT)


@asynccontextmanager
async def load(house: House, folder: Path) -> AsyncIterator[list[Watcher]]:
    """Jobs wherever a handler can run, their watchers, and clients that go on submitting.

    After the block all is brought to its end: no process may have ended, no stream been cut, nothing be lost, doubled
    or taken from its worker.
    """
    gate = folder / "gate"
    settings: dict[str, Any] = {"concurrency": len(PLACES), "lease_seconds": LEASE_SECONDS}
    processes = await asyncio.gather(house.web(), house.worker(**settings), house.worker(**settings))
    web = processes[0]
    job_ids = [await web.submit(kind, gate=str(gate)) for kind in PLACES]
    watched = [job_ids[n % len(job_ids)] for n in range(WATCHERS)]
    async with watching(watched, lambda: [web.port]) as watchers:
        await until_all(lambda: ("step" in watcher.types for watcher in watchers))
        async with submitting(web) as accepted:
            yield watchers
        gate.touch()
    assert all(process.alive for process in processes), "a process ended, and would have to be started again"
    await assert_all_kept(house, web, [*job_ids, *accepted])
    for watcher in watchers:
        assert watcher.connections == 2, "the stream was cut before its end"
        log = await house.log(watcher.job_id)
        assert_whole(watcher, log)
        assert_told_once(log)


async def recovery(watchers: Sequence[Watcher]) -> float:
    """Seconds until each watcher has had an event that is newer than this call; no more than the longest pause between
    two looks whether Valkey is back."""
    back_at = time.monotonic()
    await until_all(lambda: (watcher.arrivals[-1] > back_at for watcher in watchers))
    took = max(next(at for at in watcher.arrivals if at > back_at) for watcher in watchers) - back_at
    assert took < LONGEST_BACKOFF_SECONDS + 2
    return took


@asynccontextmanager
async def submitting(web: Web) -> AsyncIterator[list[str]]:
    """Clients that submit small jobs all the time; the ids of those that were accepted, in the end of all."""
    accepted: list[str] = []
    enough = asyncio.Event()
    tasks = [asyncio.create_task(_submit(web, f"client-{n}", accepted, enough)) for n in range(SUBMITTERS)]
    try:
        yield accepted
        so_far = len(accepted)
        await until_all(lambda: [len(accepted) > so_far])
    finally:
        enough.set()
        await asyncio.gather(*tasks)


async def _submit(web: Web, name: str, accepted: list[str], enough: asyncio.Event) -> None:
    """One after the other, each until it is accepted."""
    body = {"kind": "steady", "params": {"steps": 1, "seconds": 0.01}}
    number = 0
    while not enough.is_set():
        number += 1
        while (job_id := await _accepted(web, body, f"{name}-{number}")) is None:
            await asyncio.sleep(0.1)
        accepted.append(job_id)
        await asyncio.sleep(0.1)


async def _accepted(web: Web, body: dict[str, Any], key: str) -> str | None:
    """None where the answer is to come again."""
    try:
        answer = await web.api.post("/api/jobs", json=body, headers={"Idempotency-Key": key})
    except httpx.TransportError:
        return None
    assert answer.status_code in (202, 503), answer.text
    return answer.json()["job_id"] if answer.status_code == 202 else None


async def assert_all_kept(house: House, web: Web, accepted: Sequence[str]) -> None:
    """Each is there and has completed at once, and there is no other: no key has brought forth two."""
    jobs = await house.ended(*accepted)
    assert {(job.status, job.attempt) for job in jobs} == {("completed", 1)}
    listed, query = [], {"limit": "200"}
    while query:
        page = (await web.api.get("/api/jobs", params=query)).json()
        listed += [job["job_id"] for job in page["jobs"]]
        query = {"limit": "200", "cursor": page["next_cursor"]} if page["next_cursor"] else {}
    assert sorted(listed) == sorted(accepted)


def assert_told_once(log: Sequence[Event]) -> None:
    """Each step of the handler is in the log, none of them twice."""
    told = [event.parsed()["step"] for event in log if event.type == "step"]
    assert told == list(range(log[-1].parsed()["result"]))
