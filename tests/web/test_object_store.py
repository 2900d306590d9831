"""The doors of files where these lie in S3."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from app import main
from app.artifacts import artifact_key, upload_key
from app.main import create_app
from app.settings import Settings
from tests.gateway import SECRET, Gateway, content_of
from tests.web.conftest import Store, assert_problem, away, calling
from tests.web.resuming import create, offset_of, patch
from tests.web.test_results import FILM, film
from tests.web.test_uploads import MIB, pieces


@pytest.fixture
def settings(redis_url: str, tmp_path: Path, gateway: Gateway) -> Settings:
    return Settings(redis_url=redis_url, data_dir=tmp_path / "data", max_upload_bytes=64 << 20, **gateway.settings())


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """To be used before the service is made: it soon gives up a store that is away."""
    monkeypatch.setattr(main, "STORE_PATIENCE_SECONDS", 1.0)


@pytest.fixture
async def anyone() -> AsyncIterator[httpx.AsyncClient]:
    """Somebody without any right but the link."""
    async with httpx.AsyncClient(trust_env=False, verify=False) as client:
        yield client


async def test_who_asks_for_a_file_is_sent_to_a_fresh_link(
    web: httpx.AsyncClient, store: Store, anyone: httpx.AsyncClient
) -> None:
    job = await film(store)
    for path in (f"{job}/result", f"{job}/artifacts/clip.mp4"):
        response = await web.get(path)
        assert (response.status_code, response.headers["cache-control"]) == (303, "no-store")
        assert SECRET not in str(response.headers)
        found = await anyone.get(response.headers["location"])
        assert (found.status_code, found.content) == (200, FILM)
        assert found.headers["content-type"] == "video/mp4"
        assert found.headers["content-disposition"] == 'inline; filename="clip.mp4"'


async def test_the_page_may_show_pictures_and_films_from_there(web: httpx.AsyncClient, store: Store) -> None:
    link = urlsplit((await web.get(f"{await film(store)}/result")).headers["location"])
    policy = (await web.get("/")).headers["content-security-policy"].split("; ")
    assert {f"{sort} 'self' {link.scheme}://{link.netloc}" for sort in ("img-src", "media-src")} < set(policy)
    assert "default-src 'self'" in policy


async def test_a_range_and_a_head_go_through(web: httpx.AsyncClient, store: Store, anyone: httpx.AsyncClient) -> None:
    job = await film(store)
    asked = await web.get(f"{job}/result", headers={"Range": "bytes=5-9"}, follow_redirects=True)
    assert (asked.status_code, asked.content) == (206, FILM[5:10])
    head = await web.head(f"{job}/result", follow_redirects=True)
    assert (head.status_code, head.headers["content-length"], head.content) == (200, str(len(FILM)), b"")


async def test_a_playlist_is_answered_where_its_relative_names_hold(web: httpx.AsyncClient, store: Store) -> None:
    run, content_type = await store.claimed(), "application/vnd.apple.mpegurl"
    await store.save(run, "master.m3u8", b"#EXTM3U\n240p.ts\n", main=True, content_type=content_type)
    await store.apply(run, "completed", {})
    path = f"/api/jobs/{run.job_id}/artifacts/master.m3u8"
    response = await web.get(path)
    assert (response.status_code, response.content) == (200, b"#EXTM3U\n240p.ts\n")
    assert response.headers["content-type"] == content_type
    assert (await web.get(path, headers={"If-None-Match": response.headers["etag"]})).status_code == 304
    assert (await web.head(path)).headers["content-length"] == str(len(response.content))
    store.files.objects.drop(artifact_key(run.job_id))
    assert_problem(await web.get(path), 410, "result_expired")


@pytest.mark.parametrize(
    ("content_type", "disposition", "sent"),
    [
        ("text/html", "attachment", "text/html"),
        ("image/svg+xml", "attachment", "image/svg+xml"),
        ("image/png", "inline", "image/png"),
        ("text/x\r\nset-cookie: a=b", "attachment", "application/octet-stream"),
    ],
)
async def test_what_could_run_as_a_page_is_only_downloaded(
    web: httpx.AsyncClient, store: Store, anyone: httpx.AsyncClient, content_type: str, disposition: str, sent: str
) -> None:
    path = f"{await film(store, content_type=content_type)}/result"
    asked = await web.get(f"{path}?disposition=attachment")
    found = await anyone.get(asked.headers["location"])
    assert found.headers["content-disposition"].startswith("attachment;")
    found = await anyone.get((await web.get(path)).headers["location"])
    assert found.headers["content-type"] == sent
    assert found.headers["content-disposition"].startswith(f"{disposition};")
    assert "set-cookie" not in found.headers


async def test_the_link_lives_a_while_from_now_on_by_the_clock_of_redis(
    web: httpx.AsyncClient, store: Store, settings: Settings
) -> None:
    link = urlsplit((await web.get(f"{await film(store)}/result")).headers["location"])
    assert parse_qs(link.query)["X-Amz-Expires"] == [str(settings.s3_link_seconds)]


async def test_a_link_is_signed_while_the_store_is_away(
    web: httpx.AsyncClient, store: Store, gateway: Gateway, anyone: httpx.AsyncClient
) -> None:
    job = await film(store)
    with gateway.away():
        link = (await web.get(f"{job}/result")).headers["location"]
    assert (await anyone.get(link)).content == FILM


async def test_after_its_time_a_result_is_gone(web: httpx.AsyncClient, store: Store) -> None:
    run = await store.claimed(result_ttl_ms=0)
    await store.save(run, "clip.mp4", FILM)
    await store.apply(run, "completed", {})
    for path in ("result", "artifacts/clip.mp4"):
        assert_problem(await web.get(f"/api/jobs/{run.job_id}/{path}"), 410, "result_expired")
    job = (await web.get(f"/api/jobs/{run.job_id}")).json()
    assert (job["result_url"], [artifact["name"] for artifact in job["artifacts"]]) == (None, ["clip.mp4"])


@pytest.mark.parametrize("count", [1, 20])
async def test_an_upload_goes_to_the_store_and_not_a_byte_stays_here(
    web: httpx.AsyncClient, store: Store, count: int
) -> None:
    shown = (await web.put("/api/uploads/a", content=pieces(count, MIB))).json()
    content = content_of(store.files, upload_key(shown["upload_id"]))
    assert (shown["size"], shown["sha256"]) == (count * MIB, hashlib.sha256(content).hexdigest())
    assert store.uploaded() == []


@pytest.mark.usefixtures("impatient")
async def test_an_upload_while_the_store_is_away_is_refused_and_leaves_nothing(
    web: httpx.AsyncClient, store: Store, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    with gateway.away():
        response = await web.put("/api/uploads/a", content=pieces(20, MIB), timeout=60)
        problem = assert_problem(response, 503, "unavailable")
        assert response.headers["retry-after"] == str(problem["retry_after"]) == "5"
    assert store.uploaded() == []
    assert store.files.objects.room("uploads").entries() == []
    assert await store.redis.exists("tidings:uploads") == 0


@pytest.mark.usefixtures("impatient")
async def test_a_resumable_upload_whose_end_found_the_store_away_ends_when_it_is_asked_for(
    web: httpx.AsyncClient, store: Store, gateway: Gateway
) -> None:
    url = await create(web, 4)
    upload_id = url.rpartition("/")[2]
    await patch(web, url, 0, b"12")
    with gateway.away():
        assert_problem(await patch(web, url, 2, b"34"), 503, "unavailable")
        assert store.files.unfinished(upload_id).read_bytes() == b"1234"
    assert await offset_of(web, url) == 4
    assert (await web.get(url)).json()["input"] == f"upload:{upload_id}"
    assert content_of(store.files, upload_key(upload_id)) == b"1234"
    assert not store.files.unfinished(upload_id).exists()


async def test_an_upload_outlives_a_store_that_stands_still_for_a_moment(
    web: httpx.AsyncClient, store: Store, gateway: Gateway
) -> None:
    with gateway.frozen():
        coming = asyncio.create_task(web.put("/api/uploads/a", content=pieces(20, MIB), timeout=60))
        async with asyncio.timeout(20):
            while not any((store.data_dir / "uploads").glob("*.part")):
                await asyncio.sleep(0.01)
        assert (await web.get("/livez")).status_code == 200
    assert (await coming).status_code == 201


async def test_with_wrong_keys_an_upload_is_refused_and_leaves_nothing(
    settings: Settings, store: Store, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = Settings(**settings.model_dump() | {"s3_secret_access_key": "a-wrong-secret"})
    async with calling(create_app(wrong)) as web:
        response = await web.put("/api/uploads/a", content=b"x")
    assert_problem(response, 503, "unavailable")
    assert store.uploaded() == []
    told = response.text + caplog.text + "".join(capsys.readouterr())
    assert "SignatureDoesNotMatch" in told
    assert "a-wrong-secret" not in told


async def test_an_upload_that_cannot_be_recorded_leaves_nothing_in_the_store(settings: Settings, store: Store) -> None:
    nowhere = Settings(**settings.model_dump() | {"redis_url": away(settings).redis_url})
    async with calling(create_app(nowhere)) as web:
        assert_problem(await web.put("/api/uploads/a", content=b"x"), 503, "unavailable")
    assert store.uploaded() == []
    assert store.files.objects.room("uploads").entries() == []
