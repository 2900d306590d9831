"""202, Location, Retry-After, and what a job's result answers (RFC 9110)."""

import httpx

from tests.web.conftest import Store, assert_problem


async def test_a_submission_is_202_and_its_body_is_the_status_with_links_on(web: httpx.AsyncClient) -> None:
    response = await web.post("/api/jobs", json={"kind": "anything"})
    assert response.status_code == 202
    assert response.json()["status"] == "pending"
    assert response.json()["links"]["self"] == response.headers["location"]


async def test_location_and_the_url_in_the_body_lead_to_the_job(web: httpx.AsyncClient) -> None:
    response = await web.post("/api/jobs", json={"kind": "anything"})
    assert (await web.get(response.headers["location"])).json()["job_id"] == response.json()["job_id"]


async def test_retry_after_is_whole_seconds_while_the_job_lives(web: httpx.AsyncClient, store: Store) -> None:
    submitted = await web.post("/api/jobs", json={"kind": "anything"})
    shown = await web.get(submitted.headers["location"])
    assert submitted.headers["retry-after"].isdigit()
    assert shown.headers["retry-after"].isdigit()


async def test_a_failed_job_is_no_failed_get(web: httpx.AsyncClient, store: Store) -> None:
    failed, cancelled = await store.claimed(), await store.submitted()
    await store.apply(failed, "failed", {"error": {"code": "handler_error", "message": "no"}})
    await store.jobs.cancel(cancelled.job_id, "default")
    for job_id, status in [(failed.job_id, "failed"), (cancelled.job_id, "cancelled")]:
        response = await web.get(f"/api/jobs/{job_id}")
        assert (response.status_code, response.json()["status"]) == (200, status)
        assert "retry-after" not in response.headers


async def test_a_status_is_private_and_revalidated(web: httpx.AsyncClient, store: Store) -> None:
    response = await web.get(f"/api/jobs/{(await store.submitted()).job_id}")
    assert response.headers["cache-control"] == "private, no-cache"


async def test_a_result_that_is_not_ready_is_409_and_says_when_to_ask_again(
    web: httpx.AsyncClient, store: Store
) -> None:
    response = await web.get(f"/api/jobs/{(await store.submitted()).job_id}/result")
    problem = assert_problem(response, 409, "result_not_ready")
    assert str(problem["retry_after"]) == response.headers["retry-after"]


async def test_a_result_is_answered_here_and_not_by_a_redirect(web: httpx.AsyncClient, store: Store) -> None:
    run = await store.completed({"rows": 3})
    response = await web.get(f"/api/jobs/{run.job_id}/result", follow_redirects=False)
    assert (response.status_code, response.json()) == (200, {"rows": 3})


async def test_after_expiry_a_result_is_410_and_its_job_still_200(web: httpx.AsyncClient, store: Store) -> None:
    run = await store.completed(result_ttl_ms=0)
    assert_problem(await web.get(f"/api/jobs/{run.job_id}/result"), 410, "result_expired")
    response = await web.get(f"/api/jobs/{run.job_id}")
    assert (response.status_code, response.json()["result_url"]) == (200, None)


async def test_a_result_of_no_job_is_404(web: httpx.AsyncClient) -> None:
    assert_problem(await web.get("/api/jobs/aaaaaaaaaaaaaaaaaaaaaaaaaa/result"), 404, "unknown_job")
