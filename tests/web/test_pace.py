"""Bodies that come slowly, or do not end: what each may cost."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from pydantic_core import from_json

from app.main import create_app
from app.settings import Settings
from app.web import body as body_module
from tests.watching import until
from tests.web.conftest import TRANSCODE, Store, client_of, served

BODY = b'{"kind": "transcode", "params": {}}'


@asynccontextmanager
async def dripping(url: str, head: str, drop: bytes, seconds: float = 0.02) -> AsyncIterator[asyncio.StreamReader]:
    """What the service says to a client whose body comes drop by drop, for ever."""
    reader, writer = await asyncio.open_connection(httpx.URL(url).host, httpx.URL(url).port)
    writer.write(f"{head} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n".encode())
    writer.write(b"Content-Type: application/json\r\n\r\n")

    async def drip() -> None:
        while not writer.is_closing():
            writer.write(b"%x\r\n%s\r\n" % (len(drop), drop))
            await asyncio.sleep(seconds)

    task = asyncio.create_task(drip())
    try:
        async with asyncio.timeout(20):
            yield reader
    finally:
        task.cancel()
        writer.transport.abort()


async def problem_said(reader: asyncio.StreamReader) -> dict[str, Any]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
    problem: dict[str, Any] = from_json(await reader.readexactly(int(length.partition(b":")[2])))
    assert head.startswith(b"HTTP/1.1 %d " % problem["status"])
    return problem


async def test_a_small_body_has_a_deadline_however_busy_it_looks(settings: Settings, store: Store) -> None:
    await store.kinds.announce([TRANSCODE])
    hasty = settings.model_copy(update={"body_seconds": 0.2})
    async with served(create_app(hasty)) as url, dripping(url, "POST /api/jobs", b" ") as reader:
        problem = await problem_said(reader)
    assert (problem["status"], problem["code"]) == (408, "request_timeout")
    assert problem["detail"] == "It has not come whole in 0.2 s."


@pytest.mark.parametrize("head", ["PUT /api/uploads/a", "POST /api/batches"])
async def test_a_large_body_must_come_at_some_speed(settings: Settings, store: Store, head: str) -> None:
    hasty = settings.model_copy(update={"body_silence_seconds": 2, "min_upload_rate": 10_000})
    async with served(create_app(hasty)) as url, dripping(url, head, b" ") as reader:
        problem = await problem_said(reader)
    assert (problem["status"], problem["code"]) == (408, "request_timeout")
    assert problem["detail"] == "It must bring 10000 bytes a second."
    await until(lambda: not store.uploaded())


async def test_one_that_is_fast_enough_may_take_as_long_as_it_needs(settings: Settings, store: Store) -> None:
    patient = settings.model_copy(update={"body_silence_seconds": 3, "min_upload_rate": 100, "body_seconds": 0.01})
    async with served(create_app(patient)) as url, client_of(url) as web:

        async def content() -> AsyncIterator[bytes]:
            for _ in range(35):
                yield b"x" * 1_000
                await asyncio.sleep(0.1)

        answer = await web.put("/api/uploads/a", content=content())
    assert (answer.status_code, answer.json()["size"]) == (201, 35_000)


async def test_what_is_there_at_once_needs_no_time(settings: Settings, store: Store) -> None:
    await store.kinds.announce([TRANSCODE])
    hasty = settings.model_copy(update={"body_seconds": 1e-9})
    async with served(create_app(hasty)) as url, client_of(url) as web:
        head = f"POST /api/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(BODY)}\r\nConnection: close\r\n"
        reader, writer = await asyncio.open_connection(httpx.URL(url).host, httpx.URL(url).port)
        writer.write(head.encode() + b"Content-Type: application/json\r\n\r\n" + BODY)
        assert (await asyncio.wait_for(reader.read(), 20)).startswith(b"HTTP/1.1 202 ")
        writer.close()
        assert (await web.get("/api/kinds")).status_code == 200


async def test_bodies_that_do_not_end_are_held_up_to_a_bound(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body_module, "MOST_HELD_BYTES", 100_000)
    async with served(create_app(settings)) as url, client_of(url) as web:
        async with dripping(url, "POST /api/jobs", b" " * 10_000) as reader:
            problem = await problem_said(reader)
            assert (problem["status"], problem["code"]) == (503, "unavailable")
        await store.kinds.announce([TRANSCODE])
        pieces = [BODY[:9], BODY[9:]]

        async def content() -> AsyncIterator[bytes]:
            for piece in pieces:
                yield piece

        answer = await web.post("/api/jobs", content=content(), headers={"Content-Type": "application/json"})
        assert answer.status_code == 202, "what was held has been given back"
