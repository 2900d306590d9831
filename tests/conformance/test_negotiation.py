"""`Accept` (RFC 9110 section 12.5.1). How qualities rank is in `tests/web/test_negotiation.py`."""

import httpx
import pytest

from tests.conformance.conftest import Raw
from tests.web.conftest import Store, assert_problem

PLAIN = "text/plain; charset=utf-8"


@pytest.fixture
async def job(store: Store) -> str:
    run = await store.completed()
    return f"/api/jobs/{run.job_id}"


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("*/*", "application/json"),
        ("text/html, */*;q=0.1", "application/json"),
        ("text/plain, application/json;q=0.9", PLAIN),
        ("text/plain;q=0.001, application/json;q=0", PLAIN),
        ("text/*", PLAIN),
        ("application/json;q=0, */*", PLAIN),
        ('application/json;note="a, text/plain;q=1";q=0.1, text/plain;q=0.2', PLAIN),
        ("application/json;q=1.5, text/plain;q=1", "application/json"),
        ("TEXT/PLAIN", PLAIN),
        (", ,text/plain,", PLAIN),
        ("", "application/json"),
    ],
)
async def test_the_form_ranked_highest_is_sent(web: httpx.AsyncClient, job: str, accept: str, form: str) -> None:
    response = await web.get(job, headers={"Accept": accept})
    assert (response.status_code, response.headers["content-type"]) == (200, form)


@pytest.mark.parametrize(
    "accept", ["image/png", "*/*;q=0", "application/json;q=0", "application/jsonx", "json", ";q=1"]
)
@pytest.mark.parametrize("suffix", ["", "/events"])
async def test_forms_that_do_not_exist_are_406_and_told_which_do(
    web: httpx.AsyncClient, job: str, accept: str, suffix: str
) -> None:
    problem = assert_problem(await web.get(job + suffix, headers={"Accept": accept}), 406, "not_acceptable")
    assert problem["header"] == "Accept"
    assert "text/plain" in problem["detail"]


async def test_the_feed_comes_in_one_form(web: httpx.AsyncClient) -> None:
    problem = assert_problem(await web.get("/api/events", headers={"Accept": "text/html"}), 406, "not_acceptable")
    assert "text/event-stream" in problem["detail"]


async def test_several_accept_headers_are_one_list(raw: Raw, job: str) -> None:
    line = f"GET {job}".encode()
    assert (await raw(line, b"Accept: image/png", b"Accept: text/plain")).headers["content-type"] == PLAIN
    assert (await raw(line, b"Accept: image/png", b"Accept: image/gif")).refused(406, "not_acceptable")


@pytest.mark.parametrize("path", ["/api/jobs", "/api/kinds", "/livez", "/", "/static/tidings.js"])
async def test_what_has_one_form_is_sent_whatever_is_accepted(web: httpx.AsyncClient, path: str) -> None:
    assert (await web.get(path, headers={"Accept": "image/png"})).status_code == 200


async def test_an_effect_does_not_depend_on_what_its_answer_may_look_like(web: httpx.AsyncClient) -> None:
    response = await web.post("/api/jobs", json={"kind": "anything"}, headers={"Accept": "image/png"})
    assert (response.status_code, response.headers["content-type"]) == (202, "application/json")


async def test_a_problem_is_told_to_whom_accepts_something_else(web: httpx.AsyncClient) -> None:
    assert_problem(await web.get("/api/nothing", headers={"Accept": "text/html"}), 404, "not_found")


async def test_what_has_several_forms_says_so_to_caches(web: httpx.AsyncClient, job: str) -> None:
    for path in (job, f"{job}/events"):
        response = await web.get(path, headers={"Accept": "application/json"})
        assert response.headers["vary"] in {"Accept", "Accept, Prefer"}
