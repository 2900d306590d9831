"""The client's two faces with the real service: files go in and come out, and everything said is understood."""

import asyncio
from hashlib import sha256
from pathlib import Path

import pytest

from app.client import AsyncClient, Client
from tests.web.conftest import Store


@pytest.mark.parametrize("size", [0, 1, 3_000_000])
async def test_an_upload_of_either_face_is_whole(address: str, store: Store, tmp_path: Path, size: int) -> None:
    path = tmp_path / "clip.bin"
    path.write_bytes(bytes(n % 251 for n in range(size)))
    digest = sha256(path.read_bytes()).hexdigest()

    def block() -> str:
        with Client(address) as client:
            return str(client.upload(path)["sha256"])

    async with AsyncClient(address) as client:
        uploaded = await client.upload(path)
    assert uploaded["input"].startswith("upload:")
    assert [uploaded["sha256"], await asyncio.to_thread(block)] == [digest, digest]


async def test_a_job_is_submitted_followed_listed_and_its_file_fetched(
    address: str, store: Store, tmp_path: Path
) -> None:
    async with AsyncClient(address) as client:
        run = await store.completed({"n": 1})
        assert [event["type"] async for event in client.follow(run.job_id, 0)] == ["pending", "processing", "completed"]
        assert [event["type"] async for event in client.follow(run.job_id)] == ["snapshot"]
        assert await client.result(run.job_id) == {"n": 1}
        assert [job["job_id"] async for job in client.jobs(status="completed")] == [run.job_id]
        assert (await client.cancel(run.job_id))["status"] == "completed"
        made = await store.claimed()
        await store.save(made, "a.txt", b"text")
        await store.apply(made, "completed", {})
        for artifact in ("", "a.txt"):
            assert (await client.download(made.job_id, tmp_path / "got", artifact)).read_bytes() == b"text"


async def test_an_end_is_waited_for_while_the_job_goes_on(address: str, store: Store) -> None:
    async with AsyncClient(address) as client:
        run = await store.claimed()
        waiting = asyncio.ensure_future(client.wait(run.job_id))
        await store.apply(run, "completed", {"result": 7})
        assert (await waiting)["result"] == 7


async def test_a_batch_is_submitted_looked_at_and_cancelled(address: str, store: Store) -> None:
    async with AsyncClient(address) as client:
        batch = await client.submit_batch([{"kind": "anything", "params": {}}] * 3)
        batch_id = batch["batch_id"]
        assert (await client.batch(batch_id))["total"] == 3
        await client.cancel_batch(batch_id)
        *_, last = [event async for event in client.follow_batch(batch_id)]
        assert last["data"]["counts"]["cancelled"] == 3
