"""Resumable uploads of others, too many, broken off, at once, and left at their end: nothing is lost or left behind."""

import asyncio
import errno
import os
import resource
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from app.intake.reception import Reception
from app.main import create_app
from app.settings import Settings
from app.store import UnfinishedStore, UploadStore
from tests.web.conftest import Store, assert_problem, assert_refused, calling, client_of, served
from tests.web.resuming import MIB, PIECE, VERSION, assert_whole, checksum, create, offset_of, patch, until

# Whose it is, and how much


@pytest.mark.parametrize("upload_id", ["x", "a" * 26, "..x", "%00", "A" * 26])
async def test_an_id_that_is_none_is_unknown(web: httpx.AsyncClient, upload_id: str) -> None:
    for method in ("GET", "PATCH", "DELETE"):
        response = await web.request(method, f"/api/uploads/tus/{upload_id}", headers=PIECE | {"Upload-Offset": "0"})
        assert_problem(response, 404, "unknown_upload")


async def test_another_owners_upload_looks_unknown_whole_or_not(
    web: httpx.AsyncClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    unfinished, whole = await create(web, 4), await create(web, 0)
    monkeypatch.setattr("app.web.tus.owner_of", lambda _: "mallory")
    for url in (unfinished, whole):
        for response in (
            await web.get(url),
            await patch(web, url, 0, b"1234"),
            await web.delete(url, headers=VERSION),
        ):
            assert_problem(response, 404, "unknown_upload")
    monkeypatch.undo()
    assert await offset_of(web, unfinished) == 0
    assert (await web.get(whole)).json()["input"]


@pytest.mark.parametrize(
    "bound", [{"max_unfinished_uploads_per_owner": 2}, {"max_unfinished_bytes_per_owner": 3 * MIB}]
)
async def test_an_owner_has_only_so_many_unfinished_uploads_and_bytes_in_them(
    settings: Settings, store: Store, bound: dict[str, int]
) -> None:
    async with calling(create_app(settings.model_copy(update=bound))) as web:
        first, second = await create(web, MIB), await create(web, MIB + 1)
        third = {"headers": VERSION | {"Upload-Length": str(MIB)}}
        quota = "https://iana.org/assignments/http-problem-types#quota-exceeded"
        problem = assert_refused(await web.post("/api/uploads", **third), 429, "too_many_unfinished", quota)  # type: ignore[arg-type]  # of the client
        assert (
            bound.items()
            <= {f"max_unfinished_{n[4:]}_per_owner": problem[n] for n in ("max_uploads", "max_bytes")}.items()
        )
        await web.delete(first, headers=VERSION)
        assert (await web.post("/api/uploads", **third)).status_code == 201  # type: ignore[arg-type]  # likewise
        assert (await web.post("/api/uploads", **third)).status_code == 429  # type: ignore[arg-type]  # likewise
        assert (await patch(web, second, 0, b"x" * (MIB + 1))).headers["tidings-input"]
        assert (await web.post("/api/uploads", **third)).status_code == 201  # type: ignore[arg-type]  # likewise


# What goes wrong on the way


async def broken_off(address: str, url: str, offset: int, length: int, content: bytes, **headers: str) -> None:
    """A PATCH whose client sends so much of it and goes away, once `content` has been sent."""
    target = httpx.URL(address)
    _, writer = await asyncio.open_connection(target.host, target.port)
    writer.write(_patch_head(url, offset, length, **headers) + content)
    await writer.drain()
    writer.close()
    await writer.wait_closed()


async def test_what_came_before_the_connection_broke_stays_and_the_rest_follows(
    address: str, web: httpx.AsyncClient, store: Store
) -> None:
    content = os.urandom(3 * MIB)
    url = await create(web, len(content))
    part = store.files.unfinished(url.rpartition("/")[2])
    await broken_off(address, url, 0, len(content), content[: MIB + 7])
    await until(lambda: part.stat().st_size == MIB + 7)
    async with asyncio.timeout(10):
        while (response := await patch(web, url, MIB + 7, content[MIB + 7 :])).status_code == 423:
            pass
    assert response.status_code == 204
    await assert_whole(web, store, url, content)


async def test_of_a_piece_with_a_checksum_that_broke_off_nothing_stays(
    address: str, web: httpx.AsyncClient, store: Store
) -> None:
    content = os.urandom(3 * MIB)
    url = await create(web, len(content))
    await broken_off(address, url, 0, len(content), content[:-1], **checksum(content))
    async with asyncio.timeout(10):
        while (await patch(web, url, 0, content, checksum(content))).status_code == 423:
            pass
    await assert_whole(web, store, url, content)
    assert len(store.uploaded()) == 1


async def test_of_two_requests_at_once_one_writes_and_the_other_is_told(
    settings: Settings, web: httpx.AsyncClient, store: Store
) -> None:
    """The other comes to another process, as far as the file is concerned: nothing is shared but the folder."""
    content = os.urandom(2 * MIB)
    url = await create(web, len(content))
    part, go_on = store.files.unfinished(url.rpartition("/")[2]), asyncio.Event()

    async def halting() -> AsyncIterator[bytes]:
        yield content[:MIB]
        await go_on.wait()
        yield content[MIB:]

    async with calling(create_app(settings)) as other:
        first = asyncio.create_task(patch(web, url, 0, halting()))
        await until(lambda: part.stat().st_size == MIB)
        assert await offset_of(other, url) == MIB
        for rival in (web, other):
            assert_problem(await patch(rival, url, MIB, content[MIB:]), 423, "upload_busy")
            assert_problem(await rival.delete(url, headers=VERSION), 423, "upload_busy")
            assert_problem(await patch(rival, url, 0, content), 409, "offset_mismatch")
        go_on.set()
        assert (await first).headers["tidings-input"]
    await assert_whole(web, store, url, content)


async def test_many_requests_at_once_end_in_one_whole_file(web: httpx.AsyncClient, store: Store) -> None:
    content = os.urandom(2 * MIB)
    url = await create(web, len(content))
    answers = await asyncio.gather(*(patch(web, url, 0, content) for _ in range(8)))
    statuses = [answer.status_code for answer in answers]
    assert statuses.count(204) == 1
    assert set(statuses) <= {204, 409, 423}
    await assert_whole(web, store, url, content)


@pytest.mark.parametrize("broken", ["hash", "seal", "keep", "add", "end"])
async def test_one_whose_end_was_interrupted_anywhere_ends_when_it_is_asked_for(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """Interrupted as by a process that is killed: what had been done by then stays done, and nothing more is."""
    steps: dict[str, tuple[type, str]] = {
        "hash": (UnfinishedStore, "touch"),
        "seal": (UnfinishedStore, "seal"),
        "keep": (Reception, "make_upload"),
        "add": (UploadStore, "add"),
        "end": (UnfinishedStore, "end"),
    }

    async def killed(*_: object, **__: object) -> None:
        raise RuntimeError("killed")

    async with calling(create_app(settings)) as web:
        await web.put("/api/uploads/first", content=b"")
        url = await create(web, 4)
        with monkeypatch.context() as patched:
            patched.setattr(*steps[broken], killed)
            response = await web.patch(url, content=b"1234", headers=PIECE | {"Upload-Offset": "0"})
            assert response.status_code == 500
        response = await web.head(url, headers=VERSION)
        assert response.headers["tidings-input"] == f"upload:{url.rpartition('/')[2]}"


async def test_a_file_that_is_lost_is_unknown(web: httpx.AsyncClient, store: Store) -> None:
    url = await create(web, 4)
    store.files.unfinished(url.rpartition("/")[2]).unlink()
    assert_problem(await web.get(url), 404, "unknown_upload")


@pytest.fixture
def small_disk() -> Iterator[None]:
    """The kernel refuses to let any file grow beyond 1 MiB, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("small_disk")
@pytest.mark.parametrize("headers", [{}, checksum(b"x" * 2 * MIB)])
async def test_a_full_disk_is_told_and_what_fitted_stays(web: httpx.AsyncClient, headers: dict[str, str]) -> None:
    url = await create(web, 2 * MIB)
    assert_problem(await patch(web, url, 0, b"x" * 2 * MIB, headers), 507, "storage_full")
    assert await offset_of(web, url) == (0 if headers else MIB)


async def test_a_disk_that_takes_no_file_at_all_is_told_and_no_room_is_held(
    web: httpx.AsyncClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def touch(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "no inodes")

    monkeypatch.setattr("pathlib.Path.touch", touch)
    begun = await web.post("/api/uploads", headers=VERSION | {"Upload-Length": "9"})
    assert_problem(begun, 507, "storage_full")
    assert_problem(await web.put("/api/uploads/a", content=b"x"), 507, "storage_full")
    assert not await store.redis.keys("tidings:unfinished*")
    assert not await store.redis.keys("tidings:promised*")


async def test_a_body_that_stops_coming_is_given_up_and_what_came_stays(settings: Settings, store: Store) -> None:
    hasty = settings.model_copy(update={"body_silence_seconds": 0.05})
    async with served(create_app(hasty)) as address, client_of(address) as web:
        url, target = await create(web, 10), httpx.URL(address)
        reader, writer = await asyncio.open_connection(target.host, target.port)
        writer.write(_patch_head(url, 0, 10) + b"1234")
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert await offset_of(web, url) == 4


def _patch_head(url: str, offset: int, length: int, **more: str) -> bytes:
    lines = PIECE | {"Upload-Offset": str(offset), "Content-Length": str(length), "Host": "localhost"} | more
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"PATCH {url} HTTP/1.1\r\n{head}\r\n".encode()
