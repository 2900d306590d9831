"""A worker stands still for longer than its lease, and then goes on as if nothing had happened."""

import signal
import time
from collections.abc import Callable
from pathlib import Path

from app.events import Event
from tests.conftest import is_gone
from tests.faults.house import LEASE_SECONDS, House, until
from tests.faults.notes import WITNESSES, Notes, begun, pids
from tests.faults.watcher import assert_contiguous, assert_whole, watching


async def test_of_a_worker_frozen_past_its_lease_late_writes_are_refused_and_handlers_stopped(
    house: House, short_path: Path, measured: Callable[[str, float], None]
) -> None:
    """On each host one witness is to be stopped, and one returns while its worker is frozen or as it goes on."""
    web, frozen = await house.web(), await house.worker()
    stopped = [Notes(short_path, f"{kind}-stopped") for kind in WITNESSES]
    late = [Notes(short_path, f"{kind}-late") for kind in WITNESSES]
    witnesses = stopped + late
    job_ids = [await web.submit(k, **notes.params) for k, notes in zip(2 * WITNESSES, witnesses, strict=True)]

    async def noted(attempt: int, count: int) -> bool:
        return all(len(notes.of(attempt)) >= count for notes in witnesses)

    await begun(house, dict(zip(job_ids, [notes.file for notes in witnesses], strict=True)))
    heir = await house.worker()
    async with watching(job_ids, lambda: [web.port]) as watchers:
        frozen_at = time.monotonic()
        frozen.send(signal.SIGSTOP)
        await until(lambda: noted(2, 1))
        took = max(watcher.arrivals[watcher.types.index("processing", 3)] for watcher in watchers) - frozen_at
        measured("worker frozen: all its jobs run elsewhere", took)
        assert took < LEASE_SECONDS + 2
        for notes in late:
            notes.let(1)
        frozen.send(signal.SIGCONT)
        took = await until(lambda: noted(1, 2))
        measured("frozen worker goes on: handlers of its lost jobs stopped", took)
        assert took < LEASE_SECONDS
        assert [notes.of(1)[1] for notes in stopped] == ["CancelledError", "Cancelled", "Cancelled"]

        async def childless() -> bool:
            return not frozen.children

        await until(childless)
        for notes in witnesses:
            notes.let(2)
    for watcher, job in zip(watchers, await house.ended(*job_ids), strict=True):
        log = await house.log(job.job_id)
        assert (job.status, job.attempt, job.result) == ("completed", 2, 2)
        assert watcher.connections == 2, "the stream was cut before its end"
        assert_whole(watcher, log)
        assert _attempts_after_the_second_began(log) == {2}
    heir.kill()
    (job,) = await house.ended(await web.submit("steady", steps=1))
    assert job.status == "completed"


async def test_a_frozen_worker_that_nobody_replaces_runs_its_jobs_again_one_attempt_at_a_time(
    house: House, short_path: Path
) -> None:
    kinds = (*WITNESSES, "witness_deaf")
    web, frozen = await house.web(), await house.worker()
    witnesses = [Notes(short_path, kind) for kind in kinds]
    job_ids = [await web.submit(kind, **notes.params) for kind, notes in zip(kinds, witnesses, strict=True)]
    await begun(house, dict(zip(job_ids, [notes.file for notes in witnesses], strict=True)))
    frozen.send(signal.SIGSTOP)
    for job_id in job_ids:
        await house.reached(job_id, "pending")
    frozen.send(signal.SIGCONT)
    for job_id in job_ids:
        await house.reached(job_id, "processing")

    async def others_begun() -> bool:
        return all(notes.of(2) for notes in witnesses[:-1])

    await until(others_begun)
    assert witnesses[-1].all == ["begun"], "two attempts at once"
    for notes in witnesses:
        notes.let(1)
        notes.let(2)
    for notes, job in zip(witnesses, await house.ended(*job_ids), strict=True):
        assert (job.status, job.attempt, job.result) == ("completed", 2, 2)
        assert_contiguous(await house.log(job.job_id))
        assert [what == "begun" for what in notes.all] == 2 * [True, False], "two attempts at once"


async def test_programs_of_a_frozen_worker_are_gone_once_it_goes_on(
    house: House, short_path: Path, measured: Callable[[str, float], None]
) -> None:
    web, frozen = await house.web(), await house.worker()
    files = [short_path / kind for kind in ("family", "family_process")]
    job_ids = [await web.submit(file.name, request={"max_attempts": 1}, pids=str(file)) for file in files]
    await begun(house, dict(zip(job_ids, files, strict=True)))
    processes = frozen.children + pids(*files)
    frozen.send(signal.SIGSTOP)
    await house.worker()
    for job in await house.ended(*job_ids):
        assert job.error
        assert (job.status, job.error["code"]) == ("failed", "worker_lost")
    frozen.send(signal.SIGCONT)

    async def over() -> bool:
        return all(map(is_gone, processes))

    took = await until(over)
    measured("frozen worker goes on: programs that ignore SIGTERM gone", took)
    assert took < LEASE_SECONDS / 3 + 2, "it was late to notice, or patient for too long"
    for job_id in job_ids:
        assert_contiguous(await house.log(job_id))


def _attempts_after_the_second_began(log: tuple[Event, ...]) -> set[int]:
    """Of those that told something from then on."""
    told = [event.parsed().get("attempt") for event in log]
    return {attempt for attempt in told[told.index(2) :] if attempt}
