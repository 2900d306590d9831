"""Conditional requests (RFC 9110 section 13). Which lists and weak tags match is in `tests/web/test_jobs.py`."""

import httpx
import pytest

from tests.conformance.conftest import Raw
from tests.web.conftest import Store

REPRESENTATION = {"etag", "cache-control", "vary"}


@pytest.fixture
async def paths(store: Store) -> dict[str, str]:
    """By what they are: everything with an ETag."""
    run = await store.claimed()
    await store.save(run, "clip.mp4", b"film")
    await store.apply(run, "completed", {})
    plain = await store.completed({"rows": 3})
    return {
        "job": f"/api/jobs/{plain.job_id}",
        "result": f"/api/jobs/{plain.job_id}/result",
        "file": f"/api/jobs/{run.job_id}/artifacts/clip.mp4",
        "page": "/",
        "static": "/static/tidings.js",
    }


@pytest.mark.parametrize("what", ["job", "result", "file", "page", "static"])
async def test_a_304_has_no_body_and_the_headers_the_200_has(
    web: httpx.AsyncClient, paths: dict[str, str], what: str
) -> None:
    full = await web.get(paths[what])
    same = await web.get(paths[what], headers={"If-None-Match": full.headers["etag"]})
    assert (full.status_code, same.status_code, same.content) == (200, 304, b"")
    for name in REPRESENTATION & set(full.headers):
        assert same.headers[name] == full.headers[name]
    assert "content-type" not in same.headers
    assert "transfer-encoding" not in same.headers


@pytest.mark.parametrize("what", ["job", "result", "file", "page", "static"])
async def test_head_has_the_headers_of_get_and_its_304(
    web: httpx.AsyncClient, paths: dict[str, str], what: str
) -> None:
    get, head = await web.get(paths[what]), await web.head(paths[what])
    assert (head.status_code, head.content) == (200, b"")
    for name in ("etag", "content-type", "content-length", "cache-control"):
        assert head.headers[name] == get.headers[name]
    again = await web.head(paths[what], headers={"If-None-Match": get.headers["etag"]})
    assert (again.status_code, again.headers["etag"]) == (304, get.headers["etag"])


async def test_several_if_none_match_headers_are_one_list(raw: Raw, store: Store) -> None:
    path = f"GET /api/jobs/{(await store.submitted()).job_id}".encode()
    assert (await raw(path, b'If-None-Match: "9"', b'If-None-Match: "1"')).status == 304
    assert (await raw(path, b'If-None-Match: "9"', b'If-None-Match: "8"')).status == 200


async def test_forms_have_tags_of_their_own_and_vary_says_so(web: httpx.AsyncClient, store: Store) -> None:
    path = f"/api/jobs/{(await store.submitted()).job_id}"
    answers = [await web.get(path, headers={"Accept": form}) for form in ("application/json", "text/plain")]
    assert [answer.headers["etag"] for answer in answers] == ['"1"', 'W/"1"']
    assert {answer.headers["vary"] for answer in answers} == {"Accept, Prefer"}


async def test_the_tag_changes_with_every_change_of_the_job(web: httpx.AsyncClient, store: Store) -> None:
    run = await store.claimed()
    path = f"/api/jobs/{run.job_id}"
    before = (await web.get(path)).headers["etag"]
    await store.apply(run, "progress", {"percent": 1})
    after = await web.get(path, headers={"If-None-Match": before})
    assert after.status_code == 200
    assert after.headers["etag"] != before


async def test_a_refusal_comes_before_any_condition(web: httpx.AsyncClient) -> None:
    response = await web.get("/api/jobs/aaaaaaaaaaaaaaaaaaaaaaaaaa", headers={"If-None-Match": "*"})
    assert response.status_code == 404
