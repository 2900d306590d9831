from typing import Any

import httpx
import pytest

from app.events import json_text
from tests.web.conftest import Store, assert_problem


async def test_a_job_is_shown_with_its_seq_as_etag(web: httpx.AsyncClient, store: Store) -> None:
    run = await store.claimed()
    response = await web.get(f"/api/jobs/{run.job_id}")
    assert response.status_code == 200
    assert (response.json()["status"], response.json()["seq"]) == ("processing", 2)
    assert response.headers["etag"] == '"2"'
    assert response.headers["cache-control"] == "private, no-cache"
    assert response.headers["vary"] == "Accept, Prefer"
    assert response.headers["retry-after"] == "3"


@pytest.mark.parametrize("value", ['"1"', 'W/"1"', '"7", "1"', '"7",W/"1"', "*"])
async def test_who_has_the_current_state_gets_304_and_no_body(web: httpx.AsyncClient, store: Store, value: str) -> None:
    job = await store.submitted()
    response = await web.get(f"/api/jobs/{job.job_id}", headers={"If-None-Match": value})
    assert (response.status_code, response.content) == (304, b"")
    assert response.headers["etag"] == '"1"'
    assert response.headers["cache-control"] == "private, no-cache"
    assert response.headers["vary"] == "Accept, Prefer"


@pytest.mark.parametrize("value", ['"2"', "1", '"11"', ""])
async def test_who_has_another_state_gets_the_job(web: httpx.AsyncClient, store: Store, value: str) -> None:
    job = await store.submitted()
    response = await web.get(f"/api/jobs/{job.job_id}", headers={"If-None-Match": value})
    assert response.status_code == 200


async def test_an_ended_job_names_no_time_to_ask_again(web: httpx.AsyncClient, store: Store) -> None:
    run = await store.completed(result={"rows": 3})
    response = await web.get(f"/api/jobs/{run.job_id}")
    assert "retry-after" not in response.headers
    assert response.json()["result"] == {"rows": 3}
    assert response.json()["result_url"] == f"/api/jobs/{run.job_id}/result"


async def test_a_terminal_gets_a_bar(web: httpx.AsyncClient, store: Store) -> None:
    run = await store.claimed(kind="transcode")
    await store.apply(run, "progress", {"percent": 42, "message": "enc\x1b[31moding", "eta_seconds": 12})
    response = await web.get(f"/api/jobs/{run.job_id}", headers={"Accept": "text/plain"})
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.text == "transcode  [████████░░░░░░░░░░░░]  42 %  enc [31moding  eta 12 s\n"
    assert response.headers["etag"] == 'W/"3"'


@pytest.mark.parametrize("job_id", ["a234567bcdefghijklmnopqrst", "x", "A" * 26, "é" * 26, "%2e%2e", "a" * 3000])
@pytest.mark.parametrize(
    ("method", "suffix"),
    [("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("GET", "/result"), ("GET", "/artifacts/a")],
)
async def test_an_unknown_job_is_404_whatever_its_id_looks_like(
    web: httpx.AsyncClient, store: Store, job_id: str, method: str, suffix: str
) -> None:
    assert_problem(await web.request(method, f"/api/jobs/{job_id}{suffix}"), 404, "unknown_job")
    assert await store.queued() == 0


async def test_a_job_of_another_owner_looks_unknown_and_is_left_alone(web: httpx.AsyncClient, store: Store) -> None:
    job = await store.submitted(owner="other")
    for method, path in [("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("GET", "/result")]:
        problem = assert_problem(await web.request(method, f"/api/jobs/{job.job_id}{path}"), 404, "unknown_job")
        assert "other" not in str(problem)
    view = await store.jobs.read(job.job_id)
    assert view is not None
    assert view.job.seq == 1


async def test_pages_follow_each_other_and_end(web: httpx.AsyncClient, store: Store) -> None:
    made = [(await store.submitted()).job_id for _ in range(5)]
    await store.submitted(owner="other")
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        page = (await web.get("/api/jobs", params=query)).json()
        seen += [job["job_id"] for job in page["jobs"]]
        assert len(page["jobs"]) <= 2
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert sorted(seen) == sorted(made)


async def test_lists_are_filtered(web: httpx.AsyncClient, store: Store) -> None:
    plain = await store.submitted()
    tagged = await store.submitted(kind="transcode", tags=("a", "b"))
    await store.jobs.cancel(tagged.job_id, "default")

    async def listed(**query: Any) -> list[str]:
        return [job["job_id"] for job in (await web.get("/api/jobs", params=query)).json()["jobs"]]

    assert await listed(status="pending") == [plain.job_id]
    assert await listed(status="pending,cancelled", kind="transcode") == [tagged.job_id]
    assert await listed(tag=["a", "b"]) == [tagged.job_id]
    assert await listed(tag="a,c") == []
    assert await listed(created_after="2001-01-01T00:00:00Z", kind="anything") == [plain.job_id]
    assert await listed(created_after="4102444800") == []
    assert await listed(created_after="4.1024448e+9") == []


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("status=done", "status"),
        (f"q={'a' * 65}", "q"),
        ("created_after=yesterday", "created_after"),
        ("created_after=2026-01-01T00:00:00", "created_after"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=x", "limit"),
        ("created_after=1e300", "created_after"),
        ("created_after=253402300800", "created_after"),
        ("created_after=nan", "created_after"),
        ("created_after=1e999", "created_after"),
        ("created_after=9999-12-31T23:59:59-23:59", "created_after"),
        ("created_after=0001-01-01T00:00:00%2B23:59", "created_after"),
        ("cursor=x", "cursor"),
        ("cursor=0.5", "cursor"),
        ("cursor=" + "9" * 500, "cursor"),
        ("colour=red", "colour"),
    ],
)
async def test_a_bad_query_parameter_is_named(web: httpx.AsyncClient, query: str, parameter: str) -> None:
    problem = assert_problem(await web.get(f"/api/jobs?{query}"), 400, "invalid_request")
    assert problem["parameter"] == parameter


@pytest.mark.parametrize(("method", "suffix"), [("POST", "/cancel"), ("DELETE", "")])
async def test_a_pending_job_is_cancelled_at_once_and_repeats_change_nothing(
    web: httpx.AsyncClient, store: Store, method: str, suffix: str
) -> None:
    job = await store.submitted()
    first = await web.request(method, f"/api/jobs/{job.job_id}{suffix}")
    again = await web.request(method, f"/api/jobs/{job.job_id}{suffix}")
    assert (first.status_code, first.json()["status"]) == (200, "cancelled")
    assert (again.status_code, again.json()) == (200, first.json())


async def test_a_running_job_is_asked_to_stop_and_the_reason_is_kept(web: httpx.AsyncClient, store: Store) -> None:
    run = await store.claimed()
    for _ in range(2):
        response = await web.post(f"/api/jobs/{run.job_id}/cancel", json={"reason": "too slow"})
        assert (response.status_code, response.json()["status"]) == (202, "processing")
        assert response.json()["cancel_requested_at"]
        assert response.headers["retry-after"] == "3"
    view = await store.jobs.read(run.job_id, after=0)
    assert view is not None
    assert [event.data for event in view.events if event.type == "cancel_requested"] == [
        json_text({"by": "default", "reason": "too slow"})
    ]


async def test_cancelling_what_has_ended_shows_its_end(web: httpx.AsyncClient, store: Store) -> None:
    run = await store.completed()
    for method, suffix in [("POST", "/cancel"), ("DELETE", "")]:
        response = await web.request(method, f"/api/jobs/{run.job_id}{suffix}")
        assert (response.status_code, response.json()["status"]) == (200, "completed")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"[]", 400, "invalid_request"),
        (b'{"reason": 1}', 400, "invalid_request"),
        (b'{"why": "x"}', 400, "invalid_request"),
        (b'{"reason": "' + b"x" * 501 + b'"}', 400, "invalid_request"),
        (b"{", 400, "invalid_json"),
    ],
)
async def test_a_bad_cancel_body_is_refused_and_the_job_goes_on(
    web: httpx.AsyncClient, store: Store, body: bytes, status: int, code: str
) -> None:
    job = await store.submitted()
    headers = {"Content-Type": "application/json"}
    assert_problem(await web.post(f"/api/jobs/{job.job_id}/cancel", content=body, headers=headers), status, code)
    view = await store.jobs.read(job.job_id)
    assert view is not None
    assert view.job.seq == 1
