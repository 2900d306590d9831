"""Files in S3, with every process a real one: the way of a file there and back, its end, and a store that fails."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

import pytest

from app.artifacts import FileStore
from tests.faults.house import House, until
from tests.gateway import Gateway, files_of

HURRY: Final = {"workers.sweeper.EARLIEST_SECONDS": 1, "workers.sweeper.LATEST_SECONDS": 1.5}
MIB: Final = 1 << 20

Measured = Callable[[str, float], None]


@pytest.fixture
async def house(short_path: Path, gateway: Gateway) -> AsyncIterator[House]:
    async with House(short_path, hurry=HURRY, **gateway.settings(store_url=f"s3://files/{short_path.name}")) as house:
        yield house


@pytest.fixture
def files(short_path: Path, gateway: Gateway) -> FileStore:
    """The same files, as the test sees them."""
    return files_of(short_path / "own", **gateway.settings(store_url=f"s3://files/{short_path.name}"))


def stored(files: FileStore) -> set[str]:
    return {entry for room in ("artifacts", "uploads") for entry in files.objects.room(room).entries()}


async def test_a_file_goes_from_host_to_host_and_its_result_to_who_asks(house: House, short_path: Path) -> None:
    """Web and workers share nothing but Redis and S3."""
    web, other = await house.web(data_dir=short_path / "a"), await house.web(data_dir=short_path / "b")
    await house.worker(data_dir=short_path / "c")
    content = bytes(range(256)) * (20 * MIB // 256)
    sent = (await web.api.put("/api/uploads/large.bin", content=content)).json()
    assert sent["sha256"] == hashlib.sha256(content).hexdigest()
    first = await web.submit("copying", source=sent["input"])
    (job,) = await house.ended(first)
    (artifact,) = job.artifacts
    assert (artifact.size, artifact.sha256) == (len(content), sent["sha256"])
    second = await web.submit("copying", source=f"artifact:{first}/{artifact.name}")
    await house.ended(second)
    answer = await other.api.get(f"/api/jobs/{second}/result", headers={"Range": "bytes=-5"}, follow_redirects=True)
    assert (answer.history[0].status_code, answer.status_code, answer.content) == (303, 206, content[-5:])


async def test_a_lost_worker_leaves_nothing_half_written_and_the_next_attempt_saves_whole(
    house: House, gateway: Gateway, files: FileStore
) -> None:
    web = await house.web()
    worker = await house.worker()
    sent = (await web.api.put("/api/uploads/large.bin", content=bytes(20 * MIB))).json()
    with gateway.frozen():
        job_id = await web.submit("copying", source=sent["input"])
        await house.reached(job_id, "processing")
        worker.kill()
    await house.worker()
    (job,) = await house.ended(job_id)
    assert (job.status, job.attempt, [artifact.size for artifact in job.artifacts]) == ("completed", 2, [20 * MIB])


async def test_files_go_in_the_round_after_their_time_or_as_soon_as_the_store_is_back(
    house: House, gateway: Gateway, files: FileStore, measured: Measured
) -> None:
    web = await house.web(upload_ttl_seconds=1)
    worker = await house.worker()
    kept, purged = await web.submit("keeping"), await web.submit("keeping")
    short = await web.submit("keeping", request={"result_ttl_seconds": 1})
    await house.ended(kept, purged, short)
    unused = (await web.api.put("/api/uploads/a", content=b"x")).json()["upload_id"]
    assert stored(files) == {kept, purged, short, unused}
    assert (await web.api.delete(f"/api/jobs/{purged}")).status_code == 200
    with gateway.away():
        await worker.logged("files.not_swept")
        began = time.monotonic()

    async def swept() -> bool:
        return await asyncio.to_thread(stored, files) == {kept}

    await until(swept)
    measured("expired files in S3 after an outage: gone", time.monotonic() - began)
    answer = await web.api.get(f"/api/jobs/{short}/result")
    assert (answer.status_code, answer.json()["code"]) == (410, "result_expired")
    shown = (await web.api.get(f"/api/jobs/{short}")).json()
    assert (shown["result_url"], len(shown["artifacts"])) == (None, 1)
    assert (await web.api.get(f"/api/jobs/{purged}")).status_code == 404
    found = await web.api.get(f"/api/jobs/{kept}/result", follow_redirects=True)
    assert (found.status_code, found.content) == (200, b"x" * 1_000)
    assert worker.alive
