import hashlib
from typing import Any

import httpx
import pytest

from tests.web.conftest import Store, assert_problem

FILM = bytes(range(256)) * 400


async def film(store: Store, **more: Any) -> str:
    run = await store.claimed()
    await store.save(run, "clip.mp4", FILM, **more)
    await store.apply(run, "completed", {})
    return f"/api/jobs/{run.job_id}"


async def test_the_result_is_the_main_file_whole(web: httpx.AsyncClient, store: Store) -> None:
    run = await store.claimed()
    await store.save(run, "first.txt", b"first")
    await store.save(run, "clip.mp4", FILM, main=True)
    await store.apply(run, "completed", {})

    response = await web.get(f"/api/jobs/{run.job_id}/result")
    assert (response.status_code, response.content) == (200, FILM)
    assert response.headers["content-type"] == "video/mp4"
    assert response.headers["content-disposition"] == 'inline; filename="clip.mp4"'
    assert response.headers["etag"] == f'"{hashlib.sha256(FILM).hexdigest()}"'
    assert response.headers["accept-ranges"] == "bytes"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["content-security-policy"].startswith("sandbox allow-same-origin; default-src 'none'")
    assert response.headers["cache-control"].startswith("private")
    assert (await web.get(f"/api/jobs/{run.job_id}/artifacts/first.txt")).text == "first"


async def test_a_file_is_for_saving_where_that_is_asked_for(web: httpx.AsyncClient, store: Store) -> None:
    url = f"{await film(store)}/result"
    response = await web.get(f"{url}?disposition=attachment")
    assert response.headers["content-disposition"] == 'attachment; filename="clip.mp4"'
    plain = f"/api/jobs/{(await store.completed(1)).job_id}/result"
    response = await web.get(f"{plain}?disposition=attachment")
    assert response.headers["content-disposition"] == 'attachment; filename="result.json"'
    for path in (url, plain):
        for query, parameter in (("disposition=inline", "disposition"), ("as=attachment", "as")):
            problem = assert_problem(await web.get(f"{path}?{query}"), 400, "invalid_request")
            assert problem["parameter"] == parameter


@pytest.mark.parametrize(
    ("wanted", "part"),
    [
        ("bytes=0-9", slice(0, 10)),
        ("bytes=100-", slice(100, None)),
        ("bytes=-7", slice(-7, None)),
        (f"bytes=5-{10**12}", slice(5, None)),
    ],
)
async def test_a_range_of_the_file_is_sent(web: httpx.AsyncClient, store: Store, wanted: str, part: slice) -> None:
    response = await web.get(f"{await film(store)}/result", headers={"Range": wanted})
    assert (response.status_code, response.content) == (206, FILM[part])
    start = range(len(FILM))[part].start
    assert response.headers["content-range"] == f"bytes {start}-{start + len(response.content) - 1}/{len(FILM)}"


@pytest.mark.parametrize("wanted", ["bytes=999999-", "bytes=-0"])
async def test_a_range_outside_is_416_with_the_size(web: httpx.AsyncClient, store: Store, wanted: str) -> None:
    response = await web.get(f"{await film(store)}/result", headers={"Range": wanted})
    assert_problem(response, 416, "range_not_satisfiable")
    assert response.headers["content-range"] == f"bytes */{len(FILM)}"


@pytest.mark.parametrize("wanted", ["bytes=x-y", "bytes", "chapters=1-2", "bytes=9-3"])
async def test_a_range_that_is_not_understood_is_ignored(web: httpx.AsyncClient, store: Store, wanted: str) -> None:
    response = await web.get(f"{await film(store)}/result", headers={"Range": wanted})
    assert (response.status_code, response.content) == (200, FILM)


async def test_a_range_of_another_version_gets_the_whole(web: httpx.AsyncClient, store: Store) -> None:
    url = f"{await film(store)}/result"
    etag = (await web.head(url)).headers["etag"]
    for if_range, status in [(etag, 206), ('"other"', 200)]:
        response = await web.get(url, headers={"Range": "bytes=0-1", "If-Range": if_range})
        assert response.status_code == status


async def test_who_has_the_file_gets_304(web: httpx.AsyncClient, store: Store) -> None:
    url = f"{await film(store)}/result"
    etag = (await web.head(url)).headers["etag"]
    response = await web.get(url, headers={"If-None-Match": etag})
    assert (response.status_code, response.content) == (304, b"")


async def test_a_head_request_tells_the_size(web: httpx.AsyncClient, store: Store) -> None:
    response = await web.head(f"{await film(store)}/result")
    assert (response.status_code, response.headers["content-length"]) == (200, str(len(FILM)))


@pytest.mark.parametrize(
    ("content_type", "disposition", "sent"),
    [
        ("text/html", "attachment", "text/html; charset=utf-8"),
        ("image/svg+xml", "attachment", "image/svg+xml"),
        ("Image/SVG+XML", "attachment", "Image/SVG+XML"),
        ("image/png", "inline", "image/png"),
        ("audio/ogg; codecs=opus", "inline", "audio/ogg; codecs=opus"),
        ("text/x\r\nset-cookie: a=b", "attachment", "application/octet-stream"),
    ],
)
async def test_what_could_run_as_a_page_is_only_downloaded(
    web: httpx.AsyncClient, store: Store, content_type: str, disposition: str, sent: str
) -> None:
    response = await web.get(f"{await film(store, content_type=content_type)}/result")
    assert response.headers["content-disposition"].startswith(f"{disposition};")
    assert response.headers["content-type"] == sent
    assert "set-cookie" not in response.headers
    assert "allow-scripts" not in response.headers["content-security-policy"]
    assert ("allow-same-origin" in response.headers["content-security-policy"]) is (disposition == "inline")


async def test_a_name_of_any_language_survives_in_the_header(web: httpx.AsyncClient, store: Store) -> None:
    run = await store.claimed()
    await store.save(run, 'Füße "1".mp4', b"film")
    shown = (await web.get(f"/api/jobs/{run.job_id}")).json()["artifacts"][0]
    response = await web.get(shown["url"])
    assert response.content == b"film"
    assert response.headers["content-disposition"] == "inline; filename*=utf-8''F%C3%BC%C3%9Fe%20%221%22.mp4"


async def test_an_artifact_is_there_while_its_job_runs_and_the_result_is_not(
    web: httpx.AsyncClient, store: Store
) -> None:
    run = await store.claimed()
    await store.save(run, "part.txt", b"so far")
    assert (await web.get(f"/api/jobs/{run.job_id}/artifacts/part.txt")).text == "so far"
    response = await web.get(f"/api/jobs/{run.job_id}/result")
    problem = assert_problem(response, 409, "result_not_ready")
    assert (problem["job_status"], response.headers["retry-after"]) == ("processing", "3")


async def test_a_failed_job_has_no_result(web: httpx.AsyncClient, store: Store) -> None:
    run = await store.claimed()
    await store.apply(run, "failed", {"error": {"code": "handler_error", "message": "no"}})
    response = await web.get(f"/api/jobs/{run.job_id}/result")
    assert assert_problem(response, 409, "result_not_ready")["job_status"] == "failed"
    assert "retry-after" not in response.headers


@pytest.mark.parametrize("result", [None, {"rows": [1, 2]}, "text", 0])
async def test_without_files_the_result_is_json(web: httpx.AsyncClient, store: Store, result: Any) -> None:
    run = await store.completed(result)
    response = await web.get(f"/api/jobs/{run.job_id}/result")
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    assert response.json() == result


async def test_a_large_result_is_whole(web: httpx.AsyncClient, store: Store) -> None:
    run = await store.claimed()
    await store.apply(run, "completed", {"result_url": "…"}, '{"text":"' + "x" * 200_000 + '"}')
    assert len((await web.get(f"/api/jobs/{run.job_id}/result")).json()["text"]) == 200_000


async def test_an_unknown_artifact_is_404(web: httpx.AsyncClient, store: Store) -> None:
    url = await film(store)
    for name in ("other.mp4", "..%2f..%2fsource", ".hidden"):
        response = await web.get(f"{url}/artifacts/{name}")
        assert response.status_code == 404
    assert_problem(await web.get(f"{url}/artifacts/other.mp4"), 404, "unknown_artifact")


async def test_after_its_time_a_result_is_gone(web: httpx.AsyncClient, store: Store) -> None:
    run = await store.claimed(result_ttl_ms=0)
    await store.save(run, "clip.mp4", FILM)
    await store.apply(run, "completed", {})
    for path in ("result", "artifacts/clip.mp4"):
        assert_problem(await web.get(f"/api/jobs/{run.job_id}/{path}"), 410, "result_expired")


async def test_a_file_that_has_been_deleted_is_gone(web: httpx.AsyncClient, store: Store) -> None:
    url = await film(store)
    store.files.drop_artifacts(url.rpartition("/")[2])
    assert_problem(await web.get(f"{url}/result"), 410, "result_expired")


async def test_html_is_shown_in_a_frame_of_our_page_only_and_never_run(web: httpx.AsyncClient, store: Store) -> None:
    run = await store.claimed()
    await store.save(run, "report.html", b"<h1>Sales</h1>", content_type="text/html")
    await store.apply(run, "completed", {})
    url = f"/api/jobs/{run.job_id}/artifacts/report.html?disposition=frame"

    framed = await web.get(url, headers={"Sec-Fetch-Dest": "iframe"})
    assert framed.headers["content-disposition"] == 'inline; filename="report.html"'
    policy = framed.headers["content-security-policy"].split("; ")
    assert {"sandbox", "default-src 'none'", "frame-ancestors 'self'"} <= set(policy)
    for elsewhere in ({}, {"Sec-Fetch-Dest": "document"}):
        answer = await web.get(url, headers=elsewhere)
        assert answer.headers["content-disposition"] == 'attachment; filename="report.html"'
        assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'; frame-ancestors 'none'"


async def test_the_params_of_a_job_are_told_as_long_as_they_are_kept(web: httpx.AsyncClient, store: Store) -> None:
    run = await store.claimed()
    key, url = f"tidings:{{{run.job_id}}}:params", f"/api/jobs/{run.job_id}/params"
    assert (await web.get(url)).json() == {}
    await store.redis.set(key, '{"height": 360}')
    assert (await web.get(url)).json() == {"height": 360}
    await store.redis.delete(key)
    assert_problem(await web.get(url), 410, "result_expired")
    assert_problem(await web.get(f"/api/jobs/{'a' * 26}/params"), 404, "unknown_job")
