"""A worker is told to stop: by SIGTERM, as at every deployment, and by a second one when somebody is in a hurry."""

import signal
import time
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

from app.events import Event
from tests.conftest import is_gone
from tests.faults.house import House, until
from tests.faults.notes import WITNESSES, Notes, begun, pids
from tests.faults.watcher import assert_contiguous, assert_whole, watching

SHORT: Final = ("ticking", "ticking_thread", "ticking_process")
LEASE_SECONDS: Final = 60
"""Longer than any test: nothing that happens here has waited for its end."""
HURRY: Final = {"workers.worker.FALLBACK_SECONDS": 60}
"""Nor has any worker looked for what nobody had told it of."""
TOLD_SECONDS: Final = 20.0
GRACE_SECONDS: Final = 3.0
KILL_SECONDS: Final = 2.0
"""What a process that ignores SIGTERM may take beyond the grace."""


@pytest.fixture
async def house(short_path: Path) -> AsyncIterator[House]:
    async with House(short_path, hurry=HURRY, lease_seconds=LEASE_SECONDS) as house:
        yield house


async def test_sigterm_lets_short_jobs_finish_and_gives_the_rest_back_at_once_without_an_attempt(
    house: House, short_path: Path, measured: Callable[[str, float], None]
) -> None:
    web, gate = await house.web(), short_path / "gate"
    leaving = await house.worker(concurrency=8, shutdown_grace_seconds=GRACE_SECONDS)
    witnesses = [Notes(short_path, kind) for kind in WITNESSES]
    families = [short_path / kind for kind in ("family", "family_process")]
    long = [await web.submit(kind, **notes.params) for kind, notes in zip(WITNESSES, witnesses, strict=True)]
    deaf = [await web.submit(file.name, pids=str(file)) for file in families]
    short = [await web.submit(kind, gate=str(gate)) for kind in SHORT]
    files = [notes.file for notes in witnesses] + families
    await begun(house, dict(zip(long + deaf, files, strict=True)))
    for job_id in short:
        await house.reached(job_id, "processing")
    heir = await house.worker(concurrency=5)
    processes = leaving.children + pids(*families)
    async with watching(long + short, lambda: [web.port]) as watchers:
        told_at = time.monotonic()
        leaving.send(signal.SIGTERM)
        await leaving.logged("worker.stopping")
        gate.touch()
        others = [await web.submit("steady", steps=1) for _ in range(10)]  # more than the heir has slots

        async def given_back() -> bool:
            return all(["interrupted" in _reasons(await house.log(job_id)) for job_id in long + deaf])

        await until(given_back)
        took = time.monotonic() - told_at
        measured("SIGTERM of a worker with a grace of 3 s: what did not finish is given back", took)
        assert took < GRACE_SECONDS + KILL_SECONDS
        assert await leaving.ended() == 0
        assert all(map(is_gone, processes))
        for notes in witnesses:
            notes.let(1)
    for job in await house.ended(*short):
        assert (job.status, job.attempt) == ("completed", 1)
        assert _workers(await house.log(job.job_id)) == [leaving.pid]
    for job in await house.ended(*others):
        assert job.status == "completed"
        assert _workers(await house.log(job.job_id)) == [heir.pid], "claimed after the SIGTERM"
    for job_id in deaf:
        await house.reached(job_id, "processing")
        await web.cancel(job_id)
    for job in await house.ended(*long, *deaf):
        log = await house.log(job.job_id)
        assert job.attempt == 1
        assert job.job_id in deaf or job.status == "completed"
        assert _reasons(log) == ["submitted", "interrupted"]
        assert _workers(log) == [leaving.pid, heir.pid]
        assert_contiguous(log)
    for watcher in watchers:
        assert_whole(watcher, await house.log(watcher.job_id))
    idle = max([_idle_seconds(await house.log(job_id)) for job_id in long + deaf])
    measured("SIGTERM of a worker: from interrupted to running elsewhere", idle)
    assert idle < TOLD_SECONDS, "nobody was told"
    assert [notes.all[1] for notes in witnesses] == ["CancelledError", "Cancelled", "Cancelled"]


async def test_a_second_sigterm_ends_the_grace(
    house: House, short_path: Path, measured: Callable[[str, float], None]
) -> None:
    web, leaving = await house.web(), await house.worker(shutdown_grace_seconds=600)
    witnesses = [Notes(short_path, kind) for kind in WITNESSES]
    job_ids = [await web.submit(kind, **notes.params) for kind, notes in zip(WITNESSES, witnesses, strict=True)]
    await begun(house, dict(zip(job_ids, [notes.file for notes in witnesses], strict=True)))
    processes = leaving.children
    leaving.send(signal.SIGTERM)
    await leaving.logged("worker.stopping")
    told_at = time.monotonic()
    leaving.send(signal.SIGTERM)
    assert await leaving.ended() == 0
    took = time.monotonic() - told_at
    measured("second SIGTERM of a worker: ended", took)
    assert took < KILL_SECONDS
    assert all(map(is_gone, processes))
    for job_id in job_ids:
        job = await house.job(job_id)
        assert (job.status, job.attempt) == ("pending", 0)
        assert _reasons(await house.log(job_id)) == ["submitted", "interrupted"]


async def test_a_thread_that_does_not_heed_the_sigterm_ends_with_its_worker_and_its_job_goes_on_elsewhere(
    house: House, short_path: Path, measured: Callable[[str, float], None]
) -> None:
    web, gate = await house.web(), short_path / "gate"
    leaving = await house.worker(shutdown_grace_seconds=0)
    job_id = await web.submit("deaf", gate=str(gate))
    await house.reached(job_id, "processing")
    heir = await house.worker()
    told_at = time.monotonic()
    leaving.send(signal.SIGTERM)
    assert await leaving.ended() == 1
    measured("SIGTERM of a worker with a thread that does not heed it: ended", time.monotonic() - told_at)
    gate.touch()
    (job,) = await house.ended(job_id)
    log = await house.log(job_id)
    assert (job.status, job.attempt, job.result) == ("completed", 1, "heard nothing")
    assert _reasons(log) == ["submitted", "interrupted"]
    assert _workers(log) == [leaving.pid, heir.pid]
    assert _idle_seconds(log) < TOLD_SECONDS, "nobody was told"


async def test_an_idle_worker_ends_at_once(house: House, measured: Callable[[str, float], None]) -> None:
    worker = await house.worker(shutdown_grace_seconds=600)
    told_at = time.monotonic()
    worker.send(signal.SIGTERM)
    assert await worker.ended() == 0
    took = time.monotonic() - told_at
    measured("SIGTERM of an idle worker: ended", took)
    assert took < KILL_SECONDS


def _workers(log: tuple[Event, ...]) -> list[int]:
    """The process ids of those that ran it, from `<hostname>-<pid>-<random>`."""
    return [int(event.parsed()["worker"].split("-")[-2]) for event in log if event.type == "processing"]


def _reasons(log: tuple[Event, ...]) -> list[str]:
    return [event.parsed()["reason"] for event in log if event.type == "pending"]


def _idle_seconds(log: tuple[Event, ...]) -> float:
    """From when it was interrupted to when it ran again."""
    (seconds,) = [
        (event.at - before.at) / 1000
        for before, event in pairwise(log)
        if before.parsed().get("reason") == "interrupted"
    ]
    return seconds
