"""Methods and paths (RFC 9110 section 9): HEAD, OPTIONS and `Allow` on every route; one URL for each thing."""

import httpx
import pytest

from app.store import BatchStore, Order, Upload
from tests.conformance.conftest import Raw
from tests.ground import submission
from tests.web.conftest import Store, assert_problem

READ = "GET, HEAD, OPTIONS"
ROUTES = {
    "/": READ,
    "/static/tidings.js": READ,
    "/livez": READ,
    "/readyz": READ,
    "/api/kinds": READ,
    "/api/queues": READ,
    "/api/workers": READ,
    "/api/pollers": READ,
    "/api/jobs": "GET, HEAD, POST, OPTIONS",
    "/api/jobs/{id}": "GET, HEAD, DELETE, OPTIONS",
    "/api/jobs/{id}/params": READ,
    "/api/jobs/{id}/result": READ,
    "/api/jobs/{id}/artifacts/a.txt": READ,
    "/api/jobs/{id}/events": READ,
    "/api/events": READ,
    "/api/jobs/{id}/cancel": "POST, OPTIONS",
    "/api/jobs/{id}/deliveries": READ,
    "/api/jobs/{id}/deliveries/1/redeliver": "POST, OPTIONS",
    "/api/batches/{batch}/deliveries": READ,
    "/api/batches/{batch}/deliveries/1/redeliver": "POST, OPTIONS",
    "/api/deliveries/redeliver": "POST, OPTIONS",
    "/api/webhooks/secrets": "GET, HEAD, POST, OPTIONS",
    "/api/webhooks/secrets/made": "DELETE, OPTIONS",
    "/api/uploads/a.txt": "PUT, OPTIONS",
    "/api/uploads": "POST, OPTIONS",
    "/api/uploads/tus/{upload}": "GET, HEAD, POST, PATCH, DELETE, OPTIONS",
    "/api/callbacks/x": "POST, OPTIONS",
    "/api/callbacks/x/fail": "POST, OPTIONS",
    "/api/callbacks/x/progress": "POST, OPTIONS",
    "/api/callbacks/x/heartbeat": "POST, OPTIONS",
    "/api/tokens": "POST, DELETE, OPTIONS",
    "/api/batches": "POST, OPTIONS",
    "/api/batches/{batch}": READ,
    "/api/batches/{batch}/events": READ,
    "/api/batches/{batch}/cancel": "POST, OPTIONS",
    "/api/batches/{batch}/retry": "POST, OPTIONS",
}
BATCH = "abcdefghijklmnopqrstuvwx22"
UPLOAD = "abcdefghijklmnopqrstuvwx23"
READABLE = [path for path, allow in ROUTES.items() if allow.startswith("GET")]
A_NAME = ("PUT", "/api/uploads/tus/{upload}")
"""To PUT it is one."""

METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND")
REFUSED = {
    method: [path for path, allow in ROUTES.items() if method not in allow and (method, path) != A_NAME]
    for method in METHODS
}


@pytest.fixture
async def job_id(store: Store) -> str:
    run = await store.claimed()
    await store.save(run, "a.txt", b"text")
    await store.apply(run, "completed", {})
    await BatchStore(store.redis).accept(Order(BATCH, "default", [submission()]))
    await store.uploads.add(Upload(UPLOAD, "default", "a.txt", 4, "0" * 64, "text/plain", 1 << 42))
    return run.job_id


@pytest.mark.parametrize("path", READABLE)
async def test_head_answers_like_get_without_a_body(web: httpx.AsyncClient, job_id: str, path: str) -> None:
    url = path.format(id=job_id, batch=BATCH, upload=UPLOAD)
    head = await web.head(url)
    async with web.stream("GET", url) as get:
        assert (head.status_code, head.content) == (get.status_code, b"") == (200, b"")
        for name in ("content-type", "cache-control", "etag", "vary", "content-length"):
            assert head.headers.get(name) == get.headers.get(name)


async def test_options_tells_what_is_allowed(web: httpx.AsyncClient, job_id: str, subtests: pytest.Subtests) -> None:
    for path, allow in ROUTES.items():
        with subtests.test(path):
            response = await web.options(path.format(id=job_id, batch=BATCH, upload=UPLOAD))
            assert (response.status_code, response.content) == (204, b"")
            assert response.headers["allow"] == allow


@pytest.mark.parametrize("method", REFUSED)
async def test_any_other_method_is_405_and_told_the_same(
    web: httpx.AsyncClient, job_id: str, method: str, subtests: pytest.Subtests
) -> None:
    for path in REFUSED[method]:
        with subtests.test(path):
            response = await web.request(method, path.format(id=job_id, batch=BATCH, upload=UPLOAD))
            assert_problem(response, 405, "method_not_allowed")
            assert set(response.headers["allow"].split(", ")) == set(ROUTES[path].split(", "))


async def test_a_method_http_does_not_have_is_malformed(raw: Raw) -> None:
    assert (await raw(b"FETCH /livez")).refused(400, "invalid_request")


async def test_methods_are_told_apart_by_case(raw: Raw) -> None:
    assert (await raw(b"get /livez")).refused(400, "invalid_request")


async def test_a_trailing_slash_is_another_path_and_never_a_redirect(
    web: httpx.AsyncClient, job_id: str, subtests: pytest.Subtests
) -> None:
    for path in [path for path in ROUTES if path != "/" and "uploads" not in path]:
        with subtests.test(path):
            response = await web.get(f"{path.format(id=job_id, batch=BATCH, upload=UPLOAD)}/", follow_redirects=False)
            assert_problem(response, 404, "not_found")


async def test_behind_uploads_the_whole_rest_is_a_name_and_a_name_has_no_slash(web: httpx.AsyncClient) -> None:
    for path in ("/api/uploads/", "/api/uploads/a.txt/", f"/api/uploads/tus/{UPLOAD}/"):
        problem = assert_problem(await web.put(path, content=b"x"), 400, "invalid_request")
        assert problem["parameter"] == "name"


@pytest.mark.parametrize(
    "path",
    [
        "//api/kinds",
        "/api//kinds",
        "/./livez",
        "/static//tidings.js",
        "/static/./tidings.js",
        "/static/x/../tidings.js",
    ],
)
async def test_no_other_spelling_of_a_path_is_mended(raw: Raw, path: str) -> None:
    assert (await raw(f"GET {path}".encode())).refused(404, "not_found")


@pytest.mark.parametrize("path", ["/nothing", "/api", "/api/jobs/x/y", "/API/kinds", "/.env"])
async def test_an_unknown_path_is_404_whatever_the_method(
    web: httpx.AsyncClient, path: str, subtests: pytest.Subtests
) -> None:
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
        with subtests.test(method):
            response = await web.request(method, path)
            assert response.status_code == 404
            assert response.headers["content-type"] == "application/problem+json"


async def test_a_target_may_be_a_whole_url(raw: Raw) -> None:
    assert (await raw(b"GET http://example.org/livez")).status == 200


@pytest.mark.parametrize("body", [b"", b"not looked at"])
async def test_a_body_where_none_is_taken_is_ignored(raw: Raw, job_id: str, body: bytes) -> None:
    assert (await raw(b"GET /livez", body=body)).status == 200
    assert (await raw(f"DELETE /api/jobs/{job_id}".encode(), body=body)).status == 200
