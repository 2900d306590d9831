import asyncio
import hashlib
import resource
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator

import httpx
import pytest

from app.main import create_app
from app.settings import Settings
from tests.web.conftest import Store, assert_problem, away, calling, served

MIB = 1 << 20


async def pieces(count: int, size: int = 64 << 10) -> AsyncIterator[bytes]:
    for n in range(count):
        yield bytes([n % 256]) * size


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


async def test_an_upload_is_stored_hashed_and_known(web: httpx.AsyncClient, store: Store) -> None:
    content = bytes(range(256)) * 8192
    response = await web.put("/api/uploads/Füße 1.mp4", content=content)

    assert response.status_code == 201
    shown = response.json()
    assert shown["input"] == f"upload:{shown['upload_id']}"
    assert (shown["name"], shown["size"]) == ("Füße 1.mp4", len(content))
    assert shown["sha256"] == hashlib.sha256(content).hexdigest()
    assert store.uploaded() == [shown["upload_id"]]
    assert store.files.upload(shown["upload_id"]).read_bytes() == content
    known = await store.uploads.find(shown["upload_id"])
    assert known is not None
    assert (known.owner, known.content_type, known.size) == ("default", "video/mp4", len(content))


async def test_an_upload_is_an_input_at_once(web: httpx.AsyncClient) -> None:
    shown = (await web.put("/api/uploads/a.mp4", content=b"film")).json()
    body = {"kind": "transcode", "params": {"input": shown["input"]}}
    assert (await web.post("/api/jobs", json=body)).status_code == 202


async def test_an_empty_file_is_fine(web: httpx.AsyncClient, store: Store) -> None:
    shown = (await web.put("/api/uploads/empty", content=b"")).json()
    assert (shown["size"], shown["sha256"]) == (0, hashlib.sha256(b"").hexdigest())
    assert store.files.upload(shown["upload_id"]).read_bytes() == b""


async def test_a_large_upload_takes_little_memory(settings: Settings, store: Store) -> None:
    roomy = settings.model_copy(update={"max_upload_bytes": 100 * MIB})
    async with calling(create_app(roomy)) as web:
        tracemalloc.start()
        try:
            response = await web.put("/api/uploads/large", content=pieces(64, MIB), timeout=60)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert response.json()["size"] == 64 * MIB
    assert peak < 12 * MIB  # server and client together


async def test_too_large_by_its_length_is_refused_before_it_is_read(web: httpx.AsyncClient, store: Store) -> None:
    response = await web.put("/api/uploads/large", content=b"x" * (4 * MIB + 1))
    assert assert_problem(response, 413, "upload_too_large")["max_bytes"] == 4 * MIB
    assert store.uploaded() == []


async def test_too_large_on_the_way_leaves_nothing(web: httpx.AsyncClient, store: Store) -> None:
    response = await web.put("/api/uploads/large", content=pieces(65))
    assert_problem(response, 413, "upload_too_large")
    assert store.uploaded() == []
    assert await store.redis.exists("tidings:uploads") == 0


async def test_the_largest_that_is_allowed_is_taken(web: httpx.AsyncClient) -> None:
    assert (await web.put("/api/uploads/large", content=pieces(64))).json()["size"] == 4 * MIB


@pytest.mark.parametrize("head", ["Content-Length: 3000000", "Transfer-Encoding: chunked"])
async def test_a_client_that_goes_away_leaves_nothing(address: str, store: Store, head: str) -> None:
    url = httpx.URL(address)
    _, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(f"PUT /api/uploads/a HTTP/1.1\r\nHost: localhost\r\n{head}\r\n\r\n".encode())
    if "chunked" in head:
        writer.write(b"%x\r\n" % (2 * MIB))
    writer.write(b"x" * (2 * MIB - 1))
    await writer.drain()
    await until(store.uploaded)
    assert [name.rpartition(".")[2] for name in store.uploaded()] == ["part"]
    writer.close()
    await until(lambda: not store.uploaded())
    assert await store.redis.exists("tidings:uploads") == 0


async def test_a_body_that_stops_coming_is_given_up(settings: Settings, store: Store) -> None:
    hasty = settings.model_copy(update={"body_silence_seconds": 0.05})
    async with served(create_app(hasty)) as url:
        reader, writer = await asyncio.open_connection(httpx.URL(url).host, httpx.URL(url).port)
        writer.write(b"PUT /api/uploads/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx")
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"request_timeout"' in answer
    assert store.uploaded() == []


async def test_an_expecting_client_is_refused_before_it_sends(address: str, store: Store) -> None:
    reader, writer = await asyncio.open_connection(httpx.URL(address).host, httpx.URL(address).port)
    writer.write(
        b"PUT /api/uploads/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999\r\nExpect: 100-continue\r\n\r\n"
    )
    assert (await reader.readline()).startswith(b"HTTP/1.1 413 ")
    writer.close()


async def test_an_encoded_body_is_refused(web: httpx.AsyncClient, store: Store) -> None:
    response = await web.put("/api/uploads/a", content=b"x", headers={"Content-Encoding": "gzip"})
    assert_problem(response, 415, "unsupported_media_type")
    assert store.uploaded() == []


@pytest.mark.parametrize("name", ["", "a%07b", "a%1bb", "a%2fb", "x" * 256])
async def test_a_name_that_is_none_is_refused(web: httpx.AsyncClient, store: Store, name: str) -> None:
    assert_problem(await web.put(f"/api/uploads/{name}", content=b"x"), 400, "invalid_request")
    assert store.uploaded() == []


@pytest.mark.parametrize("name", ["%2e%2e", ".hidden", "a.part", "😀" * 255])
async def test_a_name_never_becomes_a_path(web: httpx.AsyncClient, store: Store, name: str) -> None:
    shown = (await web.put(f"/api/uploads/{name}", content=b"x")).json()
    assert store.uploaded() == [shown["upload_id"]]


@pytest.fixture
def small_disk() -> Iterator[None]:
    """The kernel refuses to let any file grow beyond 1 MiB, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("small_disk")
async def test_a_full_disk_is_told_and_nothing_left(web: httpx.AsyncClient, store: Store) -> None:
    assert_problem(await web.put("/api/uploads/a", content=pieces(48)), 507, "storage_full")
    assert store.uploaded() == []


async def test_an_upload_that_cannot_be_recorded_leaves_nothing(settings: Settings, store: Store) -> None:
    async with calling(create_app(away(settings))) as web:
        assert_problem(await web.put("/api/uploads/a", content=b"x"), 503, "unavailable")
    assert store.uploaded() == []
