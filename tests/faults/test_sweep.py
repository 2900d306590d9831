"""What the dead leave behind is cleared away: overdue jobs where no worker is left, and files that nobody wants."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from app.jobs import new_job_id
from tests.faults.house import LEASE_SECONDS, House, Process, Web, until, until_all
from tests.faults.watcher import assert_contiguous
from workers.acquaintance import FILE

HOUR: Final = 3600
DAY: Final = 24 * HOUR
SETTLED_SECONDS: Final = 2.0
HURRY: Final = {"workers.sweeper.EARLIEST_SECONDS": 1, "workers.sweeper.LATEST_SECONDS": 1.5}
WORKERS: Final = 3
BATCH_BYTES: Final = 1 << 20
"""Web writes an upload that comes in to disk in pieces of that size."""

Measured = Callable[[str, float], None]


@pytest.fixture
async def house(short_path: Path) -> AsyncIterator[House]:
    async with House(short_path, hurry=HURRY) as house:
        yield house


async def test_what_is_overdue_is_settled_where_no_worker_is_left(house: House, measured: Measured) -> None:
    web = await house.web()
    worker = await house.worker()
    attempts: list[dict[str, Any]] = [{}, {"max_attempts": 1}, {}]
    again, last, cancelled = [await web.submit("gated", request=more, gate="/nonexistent") for more in attempts]
    waiting = await web.submit("patient", seconds=LEASE_SECONDS)
    for job_id in (again, last, cancelled, waiting):
        await house.reached(job_id, "processing")
    await until(lambda: is_waiting(house, waiting))
    killed_at = time.time()
    worker.kill()
    await web.cancel(cancelled)
    late = await web.submit("steady", request={"start_within_seconds": LEASE_SECONDS})

    ended = await house.ended(last, cancelled, waiting, late)
    assert [(job.status, job.error and job.error["code"]) for job in ended] == [
        ("failed", "worker_lost"),
        ("cancelled", None),
        ("failed", "callback_timeout"),
        ("failed", "expired"),
    ]
    assert (await house.reached(again, "pending")).attempt == 1
    settled = [(await house.log(job_id))[-1].at / 1000 for job_id in (again, last, cancelled, waiting, late)]
    measured("every worker killed: jobs overdue after 2 s settled", max(settled) - killed_at)
    assert max(settled) - killed_at < LEASE_SECONDS + SETTLED_SECONDS
    for job in ended:
        assert_contiguous(await house.log(job.job_id))


async def test_files_go_in_the_round_after_their_time_and_no_others(
    house: House, short_path: Path, measured: Measured
) -> None:
    web = await house.web(upload_ttl_seconds=1)
    dying = await house.web()
    workers = await asyncio.gather(*[house.worker() for _ in range(WORKERS)])
    gate = short_path / "gate"
    running = await web.submit("keeping", gate=str(gate))
    short = await web.submit("keeping", request={"result_ttl_seconds": 1})
    long = await web.submit("keeping")
    await house.reached(running, "processing")
    await house.ended(short, long)
    unused, kept = await uploaded(web), await uploaded(dying)
    async with uploading(house, dying) as half, uploading(house, dying) as lately:
        dying.kill()
        dying.stop()
    aged(half, DAY + HOUR)

    expired_at = time.monotonic() + 1
    doomed = [house.data_dir / "artifacts" / short, house.data_dir / "uploads" / unused, half]
    await until_all(lambda: (not path.exists() for path in doomed))
    measured("files whose time is over: gone", time.monotonic() - expired_at)
    assert lately.exists()
    assert (house.data_dir / "uploads" / kept).exists()
    gate.touch()
    await house.ended(running)
    for job_id in (long, running):
        assert (await web.api.get(f"/api/jobs/{job_id}/result")).content == b"x" * 1_000
    assert_no_harm(*workers)


async def test_orphans_go_when_workers_start_all_at_once_and_what_live_jobs_have_stays(
    house: House, short_path: Path
) -> None:
    web, gate = await house.web(), short_path / "gate"
    living = await house.worker(concurrency=1)
    live = await web.submit("keeping", gate=str(gate))
    await house.reached(live, "processing")
    lost = await house.worker(concurrency=1)
    dead = await web.submit("keeping", request={"max_attempts": 1}, gate="/nonexistent")
    rooms = [house.data_dir / room for room in ("scratch", "artifacts", "uploads")]
    scratch, artifacts, uploads = rooms
    await until_all(lambda: ((room / job_id).exists() for room in (scratch, artifacts) for job_id in (live, dead)))
    lost.kill()
    await house.ended(dead)
    orphans = [scratch / dead, artifacts / new_job_id(), uploads / new_job_id()]
    orphans[1].mkdir()
    orphans[2].touch()
    for path in (each for room in rooms for each in room.iterdir()):
        aged(path, 2 * HOUR)
    aged(house.data_dir / FILE, 3 * HOUR)

    workers = await asyncio.gather(*[house.worker() for _ in range(WORKERS)])
    await until_all(lambda: (not path.exists() for path in orphans))
    assert (scratch / live).exists()
    assert (artifacts / dead).exists(), "it is kept until it expires"
    gate.touch()
    (job,) = await house.ended(live)
    assert (job.status, job.attempt) == ("completed", 1)
    assert (await web.api.get(f"/api/jobs/{live}/result")).content == b"x" * 1_000
    assert_no_harm(living, *workers)


def aged(path: Path, seconds: float) -> None:
    """As if it, and all in it, had been written so long ago."""
    for each in (path, *path.rglob("*")):
        then = each.stat().st_mtime - seconds
        os.utime(each, (then, then))


async def uploaded(web: Web) -> str:
    """The id of an upload."""
    answer = await web.api.put("/api/uploads/some.bin", content=b"x")
    upload_id: str = answer.json()["upload_id"]
    return upload_id


@asynccontextmanager
async def uploading(house: House, web: Web) -> AsyncIterator[Path]:
    """Where an upload lies that does not go on."""
    before = set(parts(house))
    _, writer = await asyncio.open_connection("127.0.0.1", web.port)
    try:
        writer.write(
            f"PUT /api/uploads/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: {3 * BATCH_BYTES}\r\n\r\n".encode()
        )
        writer.write(b"x" * 2 * BATCH_BYTES)
        await until_all(lambda: [set(parts(house)) - before])
        (part,) = set(parts(house)) - before
        yield part
    finally:
        writer.close()


def parts(house: House) -> list[Path]:
    """What has come of unfinished uploads."""
    return [path for path in (house.data_dir / "uploads").glob("*.part") if path.stat().st_size]


async def is_waiting(house: House, job_id: str) -> bool:
    return (await house.job(job_id)).waiting_for is not None


def assert_no_harm(*workers: Process) -> None:
    """They go on, and none of them has stumbled over what another was doing."""
    for worker in workers:
        assert worker.alive
        loud = [line for line in worker.lines() if line["level"] != "info"]
        assert not [line for line in loud if line["action"] != "heartbeat.late"], (
            "that it is slow is the machine's doing"
        )
