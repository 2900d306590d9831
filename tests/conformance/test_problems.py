"""Problem details (RFC 9457): each refusal is one, with a stable code, what it is about, and how to mend it."""

import json
from typing import Any
from urllib.parse import unquote

import httpx
import pytest

from tests.web.conftest import Store, assert_problem

JSON = {"Content-Type": "application/json"}
NO_JOB = "/api/jobs/" + "a" * 26

REFUSALS: list[tuple[str, str, dict[str, Any], int, str, dict[str, Any]]] = [
    ("GET", "/api/nothing", {}, 404, "not_found", {}),
    ("GET", NO_JOB, {}, 404, "unknown_job", {"job_id": "a" * 26}),
    ("GET", f"{NO_JOB}/events", {}, 404, "unknown_job", {"job_id": "a" * 26}),
    ("PATCH", "/api/jobs", {}, 405, "method_not_allowed", {}),
    ("GET", "/api/events", {"headers": {"Accept": "image/png"}}, 406, "not_acceptable", {"header": "Accept"}),
    ("GET", "/api/jobs?limit=0", {}, 400, "invalid_request", {"parameter": "limit"}),
    ("GET", "/api/jobs?colour=red", {}, 400, "invalid_request", {"parameter": "colour"}),
    ("GET", "/api/events?status=red", {}, 400, "invalid_request", {"parameter": "status"}),
    ("GET", f"{NO_JOB}/events?after=x", {}, 400, "invalid_request", {"parameter": "after"}),
    ("PUT", "/api/uploads/a%07", {"content": b"x"}, 400, "invalid_request", {"parameter": "name"}),
    ("POST", "/api/jobs", {"content": b"{", "headers": JSON}, 400, "invalid_json", {}),
    ("POST", "/api/jobs", {"content": b"{}"}, 415, "unsupported_media_type", {"header": "Content-Type"}),
    (
        *("POST", "/api/jobs", {"content": b"{}", "headers": JSON | {"Content-Encoding": "br"}}),
        *(415, "unsupported_media_type", {"header": "Content-Encoding"}),
    ),
    (
        *("POST", "/api/jobs", {"json": {"kind": "anything"}, "headers": {"Idempotency-Key": "a b"}}),
        *(400, "invalid_request", {"header": "Idempotency-Key"}),
    ),
    ("POST", "/api/jobs", {"json": {"kind": 1}}, 422, "invalid_job", {"pointer": "/kind"}),
    ("POST", "/api/jobs", {"json": {"kind": "anything", "a/b~c": 1}}, 422, "invalid_job", {"pointer": "/a~1b~0c"}),
    ("POST", "/api/jobs", {"json": {"kind": "x"}}, 422, "unknown_kind", {"pointer": "/kind"}),
    (
        *("POST", "/api/jobs", {"json": {"kind": "transcode", "params": {"height": 1}}}),
        *(422, "invalid_params", {"pointer": "/params/height"}),
    ),
    (
        *("POST", "/api/jobs", {"json": {"kind": "transcode", "params": {"input": "upload:x"}}}),
        *(422, "unknown_input", {"pointer": "/params/input"}),
    ),
    ("POST", f"{NO_JOB}/cancel", {"json": {"reason": 1}}, 400, "invalid_request", {"pointer": "/reason"}),
    ("POST", f"{NO_JOB}/cancel", {"json": {"why": "x"}}, 400, "invalid_request", {"pointer": "/why"}),
]


@pytest.mark.parametrize(
    ("method", "url", "request_", "status", "code", "where"), REFUSALS, ids=[f"{r[0]} {r[1]} {r[4]}" for r in REFUSALS]
)
async def test_a_refusal_says_what_it_is_about(
    web: httpx.AsyncClient,
    method: str,
    url: str,
    request_: dict[str, Any],
    status: int,
    code: str,
    where: dict[str, str],
) -> None:
    response = await web.request(method, url, **request_)
    problem = assert_problem(response, status, code)
    if "pointer" in where:
        assert [error["pointer"] for error in problem["errors"]] == [where["pointer"]]
        assert all(error["message"] for error in problem["errors"])
    else:
        assert where.items() <= problem.items()
    assert response.headers["cache-control"] == "no-store"


async def test_a_title_is_that_of_the_code_and_the_detail_that_of_the_occurrence(web: httpx.AsyncClient) -> None:
    problems = [(await web.get(f"/api/jobs?{query}")).json() for query in ("limit=0", "status=red", "colour=red")]
    assert len({(problem["type"], problem["title"], problem["code"]) for problem in problems}) == 1
    assert len({problem["detail"] for problem in problems}) == 3


async def test_the_type_is_a_url_below_the_documentation_named_after_the_code(web: httpx.AsyncClient) -> None:
    problem = (await web.get("/api/nothing")).json()
    assert problem["type"] == f"/docs/errors#{problem['code']}"


@pytest.mark.parametrize("path", ["/api/nothing", "/a b", "/é/😀", "/%00%0d%0a", "/%25zz", '/"<>\\^`{|}', "/a?b#c"])
async def test_the_instance_is_a_uri_reference_to_what_was_asked_for(web: httpx.AsyncClient, path: str) -> None:
    response = await web.get(path)
    instance = response.json()["instance"]
    assert instance.isascii()
    assert not set(instance) & set(' "<>\\^`{|}\0\r\n')
    assert unquote(instance) == response.request.url.path


async def test_members_of_the_standard_have_its_types(web: httpx.AsyncClient) -> None:
    problem = (await web.get("/api/nothing")).json()
    strings = {name for name, value in problem.items() if isinstance(value, str)}
    assert {"type", "title", "detail", "instance", "code"} <= strings
    assert type(problem["status"]) is int


async def test_what_to_do_next_is_in_the_body_as_in_the_header(web: httpx.AsyncClient, store: Store) -> None:
    response = await web.get(f"/api/jobs/{(await store.submitted()).job_id}/result")
    assert str(response.json()["retry_after"]) == response.headers["retry-after"]


async def test_a_head_request_is_refused_by_the_headers_alone(web: httpx.AsyncClient) -> None:
    get, head = await web.get("/api/nothing"), await web.head("/api/nothing")
    assert (head.status_code, head.content) == (404, b"")
    assert head.headers["content-type"] == get.headers["content-type"]
    assert head.headers["content-length"] == get.headers["content-length"]


async def test_what_a_client_sent_is_echoed_cut_and_escaped(web: httpx.AsyncClient) -> None:
    response = await web.post("/api/jobs", json={"kind": "\x00\x1b[2J" + "k" * 5_000})
    assert_problem(response, 422, "unknown_kind")
    assert len(response.content) < 1_000
    assert not set(response.content) & set(range(0x20))
    shown = json.dumps(response.json()["detail"])
    assert "\\u001b" not in shown
