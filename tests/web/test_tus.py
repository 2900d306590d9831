"""Resumable uploads by the rules of tus 1.0: the core protocol and the extensions that OPTIONS names."""

import asyncio
import os
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime

import httpx
import pytest

from app.intake import resumption
from app.main import create_app
from app.settings import Settings
from tests.web.conftest import Store, assert_problem, calling
from tests.web.resuming import MIB, PIECE, VERSION, assert_whole, checksum, create, metadata, offset_of, patch

EXTENSIONS = {"creation", "creation-with-upload", "expiration", "checksum", "termination"}


async def test_options_tells_the_version_the_extensions_the_largest_size_and_the_checksums(
    web: httpx.AsyncClient,
) -> None:
    for url in ("/api/uploads", "/api/uploads/tus/x"):
        response = await web.options(url)  # without Tus-Resumable
        assert response.status_code == 204
        assert (response.headers["tus-version"], response.headers["tus-resumable"]) == ("1.0.0", "1.0.0")
        assert set(response.headers["tus-extension"].split(",")) == EXTENSIONS
        assert response.headers["tus-max-size"] == str(4 * MIB)
        assert response.headers["tus-checksum-algorithm"] == "sha256,sha1,md5"


async def test_pieces_become_an_upload_like_any_other(web: httpx.AsyncClient, store: Store) -> None:
    content = os.urandom(3 * MIB)
    url = await create(web, len(content), **metadata(filename="Füße 1.mp4", filetype="video/x-mine"))
    for start in range(0, len(content), MIB):
        response = await patch(web, url, start, content[start : start + MIB])
        assert (response.status_code, response.content) == (204, b"")
        assert response.headers["upload-offset"] == str(start + MIB)
    assert response.headers["tidings-input"] == f"upload:{url.rpartition('/')[2]}"
    await assert_whole(web, store, url, content)
    upload = await store.uploads.find(url.rpartition("/")[2])
    assert upload
    assert (upload.owner, upload.name, upload.content_type) == ("default", "Füße 1.mp4", "video/x-mine")


async def test_one_piece_becomes_an_upload(web: httpx.AsyncClient, store: Store) -> None:
    content = os.urandom(3 * MIB + 1)
    url = await create(web, len(content))
    assert (await patch(web, url, 0, content)).headers["upload-offset"] == str(len(content))
    await assert_whole(web, store, url, content)


async def test_head_tells_offset_length_metadata_and_expiry_and_is_not_kept(web: httpx.AsyncClient) -> None:
    said = metadata(filename="a.mp4", other="x")
    url = await create(web, 10, **said)
    await patch(web, url, 0, b"1234")
    response = await web.head(url, headers=VERSION)
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["tus-resumable"] == "1.0.0"
    assert (response.headers["upload-offset"], response.headers["upload-length"]) == ("4", "10")
    assert response.headers["upload-metadata"] == said["Upload-Metadata"]
    assert response.headers["cache-control"] == "no-store"
    assert "tidings-input" not in response.headers
    assert parsedate_to_datetime(response.headers["upload-expires"]).tzinfo


async def test_get_shows_what_is_missing_while_it_is_not_whole(web: httpx.AsyncClient) -> None:
    url = await create(web, 10, **metadata(filename="a.mp4"))
    shown = (await web.get(url)).json()
    assert (shown["name"], shown["size"], shown["offset"]) == ("a.mp4", 10, 0)
    assert shown["input"] is shown["sha256"] is None


async def test_an_answer_that_was_lost_is_made_good_by_head(web: httpx.AsyncClient) -> None:
    url = await create(web, 4)
    await patch(web, url, 0, b"1234")
    response = await web.head(url, headers=VERSION)
    assert response.headers["upload-offset"] == response.headers["upload-length"] == "4"
    assert response.headers["tidings-input"] == f"upload:{url.rpartition('/')[2]}"


async def test_a_file_uploaded_by_put_is_shown_as_one_that_is_whole(web: httpx.AsyncClient) -> None:
    put = (await web.put("/api/uploads/a.mp4", content=b"1234")).json()
    shown = (await web.get(f"/api/uploads/tus/{put['upload_id']}")).json()
    assert shown == put | {"offset": 4}


@pytest.mark.parametrize("version", [None, "0.2.2", "2.0.0", ""])
async def test_another_version_is_412_and_told_which_is_spoken(
    web: httpx.AsyncClient, store: Store, version: str | None
) -> None:
    url = await create(web, 4)
    headers = PIECE | {"Upload-Offset": "0", "Upload-Length": "4", "Tus-Resumable": version or ""}
    if version is None:
        del headers["Tus-Resumable"]
    for method, target in (("POST", "/api/uploads"), ("PATCH", url), ("DELETE", url)):
        response = await web.request(method, target, headers=headers, content=b"1234" * (method != "DELETE"))
        assert_problem(response, 412, "unsupported_tus")
        assert response.headers["tus-version"] == "1.0.0"
    assert await offset_of(web, url) == 0
    assert len(store.uploaded()) == 1
    assert (await web.head(url, headers={"Tus-Resumable": "0.2.2"})).status_code == 412


async def test_another_offset_than_it_stands_at_is_409_and_changes_nothing(web: httpx.AsyncClient) -> None:
    url = await create(web, 10)
    await patch(web, url, 0, b"1234")
    for offset in (0, 3, 5, 10):
        problem = assert_problem(await patch(web, url, offset, b"x"), 409, "offset_mismatch")
        assert problem["offset"] == 4
    assert await offset_of(web, url) == 4


@pytest.mark.parametrize("offset", ["", "-1", "x", "1.5", "9" * 19, "٣"])
async def test_an_offset_that_is_none_is_400(web: httpx.AsyncClient, offset: str) -> None:
    url = await create(web, 10)
    headers = httpx.Headers(PIECE | {"Upload-Offset": offset}, encoding="utf-8")
    response = await web.patch(url, content=b"x", headers=headers)
    assert assert_problem(response, 400, "invalid_request")["header"] == "Upload-Offset"


async def test_a_piece_of_another_media_type_is_415(web: httpx.AsyncClient) -> None:
    url = await create(web, 10)
    response = await patch(web, url, 0, b"x", {"Content-Type": "application/octet-stream"})
    assert assert_problem(response, 415, "unsupported_media_type")["header"] == "Content-Type"
    assert response.headers["accept-patch"] == "application/offset+octet-stream"
    assert await offset_of(web, url) == 0


async def trickle(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def test_more_than_the_length_is_413_and_none_of_that_piece_is_kept(web: httpx.AsyncClient) -> None:
    url = await create(web, 3 * MIB)
    await patch(web, url, 0, b"1234")
    for content in (b"x" * 3 * MIB, trickle(b"x" * 2 * MIB, b"x" * MIB)):
        assert_problem(await patch(web, url, 4, content), 413, "upload_too_large")
        assert await offset_of(web, url) == 4


async def test_of_what_is_whole_nothing_more_is_taken(web: httpx.AsyncClient, store: Store) -> None:
    url = await create(web, 4)
    await patch(web, url, 0, b"1234")
    assert_problem(await patch(web, url, 4, b"5"), 413, "upload_too_large")
    assert_problem(await patch(web, url, 0, b"1234"), 409, "offset_mismatch")
    assert (await patch(web, url, 4, b"")).headers["upload-offset"] == "4"
    await assert_whole(web, store, url, b"1234")


# Creation


async def test_a_length_beyond_the_largest_is_413(settings: Settings, web: httpx.AsyncClient, store: Store) -> None:
    response = await web.post("/api/uploads", headers=VERSION | {"Upload-Length": str(4 * MIB + 1)})
    assert assert_problem(response, 413, "upload_too_large")["max_bytes"] == 4 * MIB
    assert response.headers["tus-resumable"] == "1.0.0"
    assert store.uploaded() == []


@pytest.mark.parametrize("header", ["Upload-Defer-Length", "Upload-Concat", "Upload-Length"])
async def test_extensions_that_are_not_spoken_are_refused_and_a_length_is_needed(
    web: httpx.AsyncClient, store: Store, header: str
) -> None:
    more = {} if header == "Upload-Length" else {header: "1", "Upload-Length": "4"}
    response = await web.post("/api/uploads", headers=VERSION | more)
    assert assert_problem(response, 400, "invalid_request")["header"] == header
    assert store.uploaded() == []


async def test_an_empty_file_is_whole_at_once(web: httpx.AsyncClient, store: Store) -> None:
    response = await web.post("/api/uploads", headers=VERSION | {"Upload-Length": "0"})
    assert response.headers["upload-offset"] == "0"
    assert response.headers["tidings-input"]
    await assert_whole(web, store, response.headers["location"], b"")


@pytest.mark.parametrize(
    "said",
    [
        "filename",
        "filename =",
        "filename YQ",
        "filename YQ==,filename YQ==",
        "filename YQ==,,",
        "filename YS9i",  # a/b
        "filename YQdi",  # a BEL b
        "filename YQ==,filetype YQ0KYg==",  # a CR LF b
        "x " + "YQ==" * 1_024,
    ],
)
async def test_metadata_that_is_malformed_is_400(web: httpx.AsyncClient, store: Store, said: str) -> None:
    headers = VERSION | {"Upload-Length": "4", "Upload-Metadata": said}
    response = await web.post("/api/uploads", headers=headers)
    if said == "filename":  # a name without a value is none
        assert response.status_code == 201
    else:
        assert assert_problem(response, 400, "invalid_request")["header"] == "Upload-Metadata"
        assert store.uploaded() == []


async def test_without_metadata_the_name_says_what_it_is_and_without_a_name_nothing_does(
    web: httpx.AsyncClient, store: Store
) -> None:
    for said, name, content_type in (
        ({}, "upload", "application/octet-stream"),
        (metadata(filename="a.mp4", filetype=""), "a.mp4", "video/mp4"),
    ):
        url = await create(web, 0, **said)
        upload = await store.uploads.find(url.rpartition("/")[2])
        assert upload
        assert (upload.name, upload.content_type) == (name, content_type)


async def test_links_are_absolute_where_a_public_url_is_set(settings: Settings, store: Store) -> None:
    public = settings.model_copy(update={"public_url": "https://tidings.example"})
    async with calling(create_app(public)) as web:
        assert (await create(web, 4)).startswith("https://tidings.example/api/uploads/tus/")


# Creation with upload


async def test_the_first_bytes_may_come_along_with_the_creation(web: httpx.AsyncClient, store: Store) -> None:
    for content, length in ((b"12", 4), (b"1234", 4)):
        response = await web.post("/api/uploads", content=content, headers=PIECE | {"Upload-Length": str(length)})
        assert (response.status_code, response.headers["upload-offset"]) == (201, str(len(content)))
        assert ("tidings-input" in response.headers) == (len(content) == length)
        if len(content) < length:
            await patch(web, response.headers["location"], len(content), b"34")
        await assert_whole(web, store, response.headers["location"], b"1234")


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 413, "upload_too_large"),
        ({"Content-Type": "text/plain"}, 415, "unsupported_media_type"),
        (checksum(b"other"), 460, "checksum_mismatch"),
    ],
)
async def test_a_creation_whose_bytes_are_refused_leaves_nothing(
    web: httpx.AsyncClient, store: Store, headers: dict[str, str], status: int, code: str
) -> None:
    length = "4" if code == "upload_too_large" else "5"
    response = await web.post("/api/uploads", content=b"12345", headers=PIECE | {"Upload-Length": length} | headers)
    assert_problem(response, status, code)
    assert store.uploaded() == []
    assert not await store.redis.keys("tidings:unfinished*")
    assert not await store.redis.keys("tidings:promised*")


# Checksum


@pytest.mark.parametrize("algorithm", ["sha256", "sha1", "md5"])
async def test_a_piece_with_a_checksum_is_kept_when_it_is_right(
    web: httpx.AsyncClient, store: Store, algorithm: str
) -> None:
    content = os.urandom(2 * MIB + 5)
    url = await create(web, len(content))
    for piece, start in ((content[:MIB], 0), (content[MIB:], MIB)):
        assert (await patch(web, url, start, piece, checksum(piece, algorithm))).status_code == 204
    await assert_whole(web, store, url, content)


async def test_of_a_piece_with_a_wrong_checksum_nothing_is_kept(web: httpx.AsyncClient, store: Store) -> None:
    content = os.urandom(3 * MIB)
    url = await create(web, len(content))
    await patch(web, url, 0, content[:MIB])
    response = await patch(web, url, MIB, content[MIB:], checksum(content))
    assert_problem(response, 460, "checksum_mismatch")
    assert await offset_of(web, url) == MIB
    await patch(web, url, MIB, content[MIB:], checksum(content[MIB:]))
    await assert_whole(web, store, url, content)


@pytest.mark.parametrize("said", ["", "sha256", "crc32 AAAAAA==", "sha256 AAAA", "sha256 ====", "SHA256 x"])
async def test_a_checksum_that_is_none_or_of_an_unknown_algorithm_is_400(web: httpx.AsyncClient, said: str) -> None:
    url = await create(web, 4)
    response = await patch(web, url, 0, b"1234", {"Upload-Checksum": said})
    assert assert_problem(response, 400, "invalid_request")["header"] == "Upload-Checksum"
    assert await offset_of(web, url) == 0


# Expiration


async def test_each_piece_puts_the_expiry_off(settings: Settings, store: Store) -> None:
    brief = settings.model_copy(update={"unfinished_upload_ttl_seconds": 5})
    async with calling(create_app(settings)) as web, calling(create_app(brief)) as hasty:
        url = await create(hasty, 10)
        soon = parsedate_to_datetime((await web.head(url)).headers["upload-expires"])
        response = await patch(web, url, 0, b"1234")
        later = parsedate_to_datetime(response.headers["upload-expires"])
        assert 80_000 < (later - soon).total_seconds() <= 86_400
        assert parsedate_to_datetime((await web.head(url)).headers["upload-expires"]) == later


async def test_a_long_request_puts_the_expiry_off_while_it_brings_something(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resumption, "TOUCH_SECONDS", 0)
    async with calling(create_app(settings)) as web:
        url = await create(web, 3 * MIB)
        key = f"tidings:unfinished:{url.rpartition('/')[2]}"
        lives = []

        async def slowly() -> AsyncIterator[bytes]:
            for _ in range(2):
                await store.redis.pexpire(key, 10_000)
                yield b"x" * MIB
                async with asyncio.timeout(10):
                    while await store.redis.pttl(key) < 10_001:
                        await asyncio.sleep(0.01)
                lives.append(await store.redis.pttl(key))

        await patch(web, url, 0, slowly())
    assert len(lives) == 2


async def test_what_has_expired_is_unknown(web: httpx.AsyncClient, store: Store) -> None:
    url = await create(web, 10)
    await store.redis.delete(f"tidings:unfinished:{url.rpartition('/')[2]}")
    assert_problem(await web.get(url), 404, "unknown_upload")
    assert_problem(await patch(web, url, 0, b"x"), 404, "unknown_upload")


# Termination


async def test_delete_frees_an_unfinished_upload(web: httpx.AsyncClient, store: Store) -> None:
    url = await create(web, 10)
    await patch(web, url, 0, b"1234")
    response = await web.delete(url, headers=VERSION)
    assert (response.status_code, response.headers["tus-resumable"]) == (204, "1.0.0")
    assert store.uploaded() == []
    assert not await store.redis.keys("tidings:unfinished*")
    assert not await store.redis.keys("tidings:promised*")
    assert_problem(await web.delete(url, headers=VERSION), 404, "unknown_upload")
    assert_problem(await patch(web, url, 4, b"x"), 404, "unknown_upload")


async def test_delete_makes_a_whole_upload_unknown_and_leaves_its_file_to_the_sweeper(
    web: httpx.AsyncClient, store: Store
) -> None:
    url = await create(web, 4)
    await patch(web, url, 0, b"1234")
    assert (await web.delete(url, headers=VERSION)).status_code == 204
    assert_problem(await web.get(url), 404, "unknown_upload")
    assert await store.uploads.by_expiry.expired(9) == store.uploaded() == [url.rpartition("/")[2]]


# The method in a header


async def test_post_may_stand_for_patch_and_delete(web: httpx.AsyncClient, store: Store) -> None:
    url = await create(web, 4)
    as_patch = PIECE | {"Upload-Offset": "0", "X-HTTP-Method-Override": "PATCH"}
    assert (await web.post(url, content=b"1234", headers=as_patch)).headers["upload-offset"] == "4"
    await assert_whole(web, store, url, b"1234")
    as_delete = VERSION | {"X-HTTP-Method-Override": "DELETE"}
    assert (await web.post(url, headers=as_delete)).status_code == 204
    for header in ({}, {"X-HTTP-Method-Override": "TRACE"}):
        problem = assert_problem(await web.post(url, headers=VERSION | header), 400, "invalid_request")
        assert problem["header"] == "X-HTTP-Method-Override"
