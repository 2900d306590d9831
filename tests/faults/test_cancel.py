"""A cancel, whatever state the job is in: `cancelled` is written when the work is really gone, and soon."""

import asyncio
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from app.store.jobs import worker_channel
from tests.conftest import is_gone
from tests.faults.house import LEASE_SECONDS, House, until
from tests.faults.notes import WITNESSES, Notes, begun, pids
from tests.faults.service import Service, shared
from tests.faults.watcher import assert_contiguous
from tests.ground import accepted

BOUND_SECONDS: Final = 2.0
"""For what can be killed."""
RACES: Final = 40
EARLIEST_SECONDS: Final = -0.03
LATEST_SECONDS: Final = 0.06


@shared
async def test_a_cancel_of_a_job_that_no_worker_holds_takes_effect_at_once(service: Service) -> None:
    web, house = service.web, service.house
    pending = await accepted(house.jobs, kind="steady", queue="nobody-serves-it")
    delayed = await web.submit("steady", request={"delay_seconds": 3600})
    backing_off = await web.submit("failing", how="retry", after=3600)
    waiting = await web.submit("patient")

    async def there() -> bool:
        return (await house.job(backing_off)).retry_at is not None and (
            await house.job(waiting)
        ).waiting_for is not None

    await until(there)
    for job_id, stage in [(pending, "pending"), (delayed, "pending"), (backing_off, "pending"), (waiting, "waiting")]:
        answer = await web.cancel(job_id)
        assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
        assert (await service.last_event(job_id))["stage"] == stage


@shared
@pytest.mark.parametrize("kind", WITNESSES)
async def test_a_cancel_stops_a_handler_wherever_it_runs(
    service: Service, short_path: Path, measured: Callable[[str, float], None], kind: str
) -> None:
    notes = Notes(short_path, kind)
    job_id = await service.web.submit(kind, **notes.params)
    await begun(service.house, {job_id: notes.file})
    took = await service.cancel(job_id)
    assert took < BOUND_SECONDS
    assert notes.all in (["begun", "CancelledError"], ["begun", "Cancelled"])
    assert (await service.last_event(job_id))["stage"] == "processing"
    measured(f"cancel of a handler ({kind}): gone", took)


@shared
async def test_a_cancel_stops_a_process_that_is_only_starting(service: Service, short_path: Path) -> None:
    for number in range(5):
        notes = Notes(short_path, str(number))
        job_id = await service.web.submit("witness_process", **notes.params)
        await service.house.reached(job_id, "processing")
        await asyncio.sleep(number * 0.05)
        assert await service.cancel(job_id) < BOUND_SECONDS
        assert all(map(is_gone, notes.pids))


@shared
@pytest.mark.parametrize("kind", ["family", "family_process"])
async def test_a_cancel_ends_a_process_tree_that_ignores_sigterm(
    service: Service, short_path: Path, measured: Callable[[str, float], None], kind: str
) -> None:
    file = short_path / kind
    job_id = await service.web.submit(kind, pids=str(file))
    await begun(service.house, {job_id: file})
    took = await service.cancel(job_id)
    assert took < BOUND_SECONDS
    assert all(map(is_gone, pids(file))), "cancelled, and yet at work"
    measured(f"cancel of a process tree that ignores SIGTERM ({kind}): gone", took)


@shared
async def test_a_cancel_that_is_asked_for_twice_changes_nothing(service: Service, short_path: Path) -> None:
    notes = Notes(short_path, "witness")
    job_id = await service.web.submit("witness", **notes.params)
    await begun(service.house, {job_id: notes.file})
    await asyncio.gather(*(service.web.cancel(job_id) for _ in range(10)))
    await service.house.reached(job_id, "cancelled")
    types = [event.type for event in await service.house.log(job_id)]
    assert (types.count("cancel_requested"), types.count("cancelled")) == (1, 1)
    again = await service.web.cancel(job_id)
    assert (again.status_code, again.json()["status"]) == (200, "cancelled")
    assert [event.type for event in await service.house.log(job_id)] == types


@shared
@pytest.mark.parametrize("kind", WITNESSES[:2])
async def test_a_cancel_that_races_the_start_is_never_missed(service: Service, short_path: Path, kind: str) -> None:
    async def race(number: int) -> None:
        job_id = await service.web.submit(kind, **Notes(short_path, str(number)).params)
        await asyncio.sleep(number / RACES * LATEST_SECONDS)
        assert await service.cancel(job_id) < BOUND_SECONDS

    await asyncio.gather(*map(race, range(RACES)))


@shared
@pytest.mark.parametrize("kind", ["gated", "ticking_thread"])
async def test_a_cancel_that_races_the_end_leaves_exactly_one_end(
    service: Service, short_path: Path, kind: str
) -> None:
    async def race(lead: float) -> str:
        """The job may end so much before, or after, its cancel."""
        gate = short_path / f"{lead}"
        job_id = await service.web.submit(kind, gate=str(gate))
        await service.house.reached(job_id, "processing")
        await asyncio.gather(open_gate(gate, max(-lead, 0)), cancel(job_id, max(lead, 0)))
        (job,) = await service.house.ended(job_id)
        log = await service.house.log(job_id)
        assert_contiguous(log)
        await service.house.jobs.cancel(job_id, "too late")
        assert await service.house.log(job_id) == log
        assert (job.result is not None, job.error) == (job.status == "completed", None)
        return job.status

    async def open_gate(gate: Path, delay: float) -> None:
        await asyncio.sleep(delay)
        gate.touch()

    async def cancel(job_id: str, delay: float) -> None:
        await asyncio.sleep(delay)
        answer = await service.web.cancel(job_id)
        assert answer.status_code in (200, 202)

    leads = [-5.0, *(random.uniform(EARLIEST_SECONDS, LATEST_SECONDS) for _ in range(RACES)), 5.0]
    ends = await asyncio.gather(*map(race, leads))
    assert set(ends) == {"completed", "cancelled"}
    assert (ends[0], ends[-1]) == ("cancelled", "completed")


@shared
async def test_a_cancel_whose_message_got_lost_comes_with_the_heartbeat(
    service: Service, short_path: Path, measured: Callable[[str, float], None]
) -> None:
    house, redis = service.house, service.house.redis
    lost = False
    while not lost:
        notes = Notes(short_path, f"{time.monotonic()}")
        job_id = await service.web.submit("witness", **notes.params)
        await begun(house, {job_id: notes.file})
        (started,) = [event for event in await house.log(job_id) if event.type == "processing"]
        channel = worker_channel(started.parsed()["worker"])
        await redis.client_kill_filter(_type="pubsub")
        began = time.monotonic()
        await house.jobs.cancel(job_id, "test")
        lost = dict(await redis.pubsub_numsub(channel)) == {channel.encode(): 0}
        await house.reached(job_id, "cancelled")
        took = time.monotonic() - began
    measured("cancel whose message got lost: gone", took)
    assert took < LEASE_SECONDS / 3 + BOUND_SECONDS


async def test_a_thread_that_ignores_a_cancel_shows_it_keeps_its_slot_and_ends_with_what_it_came_to(
    house: House, short_path: Path
) -> None:
    web, gate = await house.web(), short_path / "gate"
    await house.worker(concurrency=1)
    deaf = await web.submit("deaf", gate=str(gate))
    await house.reached(deaf, "processing")
    following = await web.submit("steady", steps=1)
    assert (await web.cancel(deaf)).status_code == 202
    await asyncio.sleep(LEASE_SECONDS + 1)
    shown = (await web.api.get(f"/api/jobs/{deaf}")).json()
    assert (shown["status"], shown["attempt"]) == ("processing", 1)
    assert shown["cancel_requested_at"]
    assert (await house.job(following)).seq == 1, "it started in a slot that is taken"
    gate.touch()
    ended, followed = await house.ended(deaf, following)
    assert (ended.status, ended.result) == ("completed", "heard nothing")
    assert followed.status == "completed"
    types = [event.type for event in await house.log(deaf)]
    assert types == ["pending", "processing", "cancel_requested", "completed"]


async def test_a_cancel_of_a_frozen_workers_job_ends_it_when_the_lease_is_over(
    house: House, short_path: Path, measured: Callable[[str, float], None]
) -> None:
    web, worker, notes = await house.web(), await house.worker(), Notes(short_path, "witness")
    job_id = await web.submit("witness", **notes.params)
    await begun(house, {job_id: notes.file})
    frozen_at = time.monotonic()
    worker.send(signal.SIGSTOP)
    answer = await web.cancel(job_id)
    assert (answer.status_code, answer.json()["status"]) == (202, "processing")
    await house.reached(job_id, "cancelled")
    took = time.monotonic() - frozen_at
    measured("cancel of a frozen worker's job, with no other worker: cancelled", took)
    assert took < LEASE_SECONDS + 2
    log = await house.log(job_id)
    assert log[-1].parsed()["stage"] == "worker_lost"
    worker.send(signal.SIGCONT)
    (job,) = await house.ended(await web.submit("steady", steps=1))
    assert job.status == "completed"

    async def stopped() -> bool:
        return notes.all == ["begun", "CancelledError"]

    await until(stopped)
    assert await house.log(job_id) == log, "it wrote after the end"
    assert_contiguous(log)
