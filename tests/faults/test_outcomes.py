"""Whatever a handler does and however long it takes, its job ends in the right status, with the right code."""

from collections.abc import Callable
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

from app.events import Event
from app.jobs import Job
from tests.conftest import is_gone
from tests.faults.house import House
from tests.faults.notes import WITNESSES, Notes, begun, pids
from tests.faults.service import Service, shared

FAILING: Final = ("failing", "failing_thread", "failing_process")
KILL_SECONDS: Final = 2.0
FALLBACK_SECONDS: Final = 1.0
"""A worker that no nudge has woken looks again after so long."""
ROOM_SECONDS: Final = 1.0
"""For a loaded machine."""


@shared
@pytest.mark.parametrize("kind", WITNESSES)
async def test_a_timeout_stops_a_handler_wherever_it_runs(service: Service, short_path: Path, kind: str) -> None:
    notes = Notes(short_path, kind)
    job = await service.outcome(kind, request={"timeout_seconds": 3, "max_attempts": 1}, **notes.params)
    assert (job.status, _code(job)) == ("failed", "timeout")
    assert notes.all in (["begun", "CancelledError"], ["begun", "Cancelled"])
    _, started, *_, ended = await service.house.log(job.job_id)
    assert 3 <= (ended.at - started.at) / 1000 < 3 + KILL_SECONDS


@shared
@pytest.mark.parametrize("kind", ["family", "family_process"])
async def test_a_timeout_ends_a_process_tree_that_ignores_sigterm(
    service: Service, short_path: Path, measured: Callable[[str, float], None], kind: str
) -> None:
    file = short_path / kind
    job_id = await service.web.submit(kind, request={"timeout_seconds": 3, "max_attempts": 1}, pids=str(file))
    await begun(service.house, {job_id: file})
    (job,) = await service.house.ended(job_id)
    assert all(map(is_gone, pids(file)))
    assert (job.status, _code(job)) == ("failed", "timeout")
    _, started, *_, ended = await service.house.log(job_id)
    late = (ended.at - started.at) / 1000 - 3
    measured(f"timeout of a process tree that ignores SIGTERM ({kind}): gone", late)
    assert 0 <= late < KILL_SECONDS


@shared
async def test_a_timeout_takes_an_attempt_like_an_error(service: Service, short_path: Path) -> None:
    request = {"timeout_seconds": 0.2, "max_attempts": 2}
    job = await service.outcome("witness", request=request, **Notes(short_path, "witness").params)
    assert (job.status, _code(job), job.attempt) == ("failed", "timeout", 2)


@shared
async def test_errors_are_retried_after_a_back_off_that_doubles_with_jitter(service: Service) -> None:
    job_ids = [await service.web.submit("failing", request={"max_attempts": 4}, how="error") for _ in range(8)]
    first_delays = set()
    for job in await service.house.ended(*job_ids):
        assert (job.status, _code(job), job.attempt) == ("failed", "handler_error", 4)
        log = await service.house.log(job.job_id)
        delays = _delays(log)
        assert all(low <= delay <= 2 * low for delay, low in zip(delays, (0.5, 1, 2), strict=True)), delays
        assert all(delay <= idle < delay + FALLBACK_SECONDS + ROOM_SECONDS for delay, idle in _idle(log)), _idle(log)
        first_delays.add(delays[0])
    assert len(first_delays) > 1, "all come back at the same moment"


@shared
@pytest.mark.parametrize("kind", FAILING)
async def test_retry_comes_back_when_the_handler_says(service: Service, kind: str) -> None:
    job = await service.outcome(kind, request={"max_attempts": 3}, how="retry", after=0.7)
    assert (job.status, _code(job), job.attempt) == ("failed", "handler_error", 3)
    log = await service.house.log(job.job_id)
    assert _delays(log) == [0.7, 0.7]
    assert all(delay <= idle < delay + FALLBACK_SECONDS + ROOM_SECONDS for delay, idle in _idle(log)), _idle(log)


@shared
@pytest.mark.parametrize("kind", FAILING)
async def test_failed_is_not_retried(service: Service, kind: str) -> None:
    job = await service.outcome(kind, how="failed")
    assert (job.status, _code(job), job.attempt, job.max_attempts) == ("failed", "handler_error", 1, 3)


@shared
@pytest.mark.parametrize("kind", FAILING)
async def test_a_handler_that_exits_ends_its_job_and_not_its_worker(service: Service, kind: str) -> None:
    job = await service.outcome(kind, request={"max_attempts": 1}, how="exit")
    assert job.error
    assert (job.status, job.error["code"], job.error["type"]) == ("failed", "handler_error", "SystemExit")


@shared
@pytest.mark.parametrize("how", ["die", "leave"])
async def test_a_process_that_dies_takes_an_attempt_and_harms_nobody(service: Service, how: str) -> None:
    job = await service.outcome("failing_process", request={"max_attempts": 2}, how=how)
    assert (job.status, _code(job), job.attempt) == ("failed", "process_died", 2)


async def test_a_job_that_no_worker_takes_in_time_expires_and_never_runs(
    house: House, short_path: Path, measured: Callable[[str, float], None]
) -> None:
    web, worker = await house.web(), await house.worker(concurrency=1)
    gate, idle = short_path / "gate", Notes(short_path, "idle")
    in_time = await web.submit("gated", request={"start_within_seconds": 60}, gate=str(gate))
    await house.reached(in_time, "processing")

    async def expire(what: str) -> None:
        (job,) = await house.ended(await web.submit("witness", request={"start_within_seconds": 1}, **idle.params))
        assert (job.status, _code(job), job.attempt) == ("failed", "expired", 0)
        submitted, ended = await house.log(job.job_id)
        late = (ended.at - submitted.at) / 1000 - 1
        measured(f"job not started within a second, {what}: expired", late)
        assert 0 <= late < FALLBACK_SECONDS + ROOM_SECONDS

    await expire("all workers busy")
    worker.kill()
    await expire("no worker at all")
    gate.touch()
    await house.worker()
    (job,) = await house.ended(in_time)
    assert (job.status, idle.all) == ("completed", [])


def _code(job: Job) -> str:
    assert job.error
    code: str = job.error["code"]
    return code


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _delays(log: tuple[Event, ...]) -> list[float]:
    """The back-offs that were announced."""
    retries = [event for event in log if event.parsed().get("reason") == "retry"]
    return [round(_seconds(event.parsed()["retry_at"]) - event.at / 1000, 3) for event in retries]


def _idle(log: tuple[Event, ...]) -> list[tuple[float, float]]:
    """Each back-off, and what it came to."""
    pauses = [(after.at - before.at) / 1000 for before, after in pairwise(log) if "retry_at" in before.parsed()]
    return list(zip(_delays(log), pauses, strict=True))
