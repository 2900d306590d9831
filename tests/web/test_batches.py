"""Batches on a real server: taken whole or not at all, however large, while the others are answered."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic_core import to_json

from app.jobs import Status, new_job_id
from app.main import create_app
from app.settings import Settings
from app.store import BatchStore, Order, Upload
from tests.ground import submission
from tests.web.conftest import ANYTHING, Store, assert_problem, away, calling
from tests.web.test_sse import Block, blocks, stream, whole
from tests.working import sooner_or_later, working

JSON = {"Content-Type": "application/json"}
MANY = 10_000


def of(size: int, **fields: Any) -> dict[str, Any]:
    return {"jobs": [{"kind": "anything", "params": {"n": n}} for n in range(size)]} | fields


async def accepted(web: httpx.AsyncClient, size: int, **headers: str) -> dict[str, Any]:
    response = await web.post("/api/batches", json=of(size), headers=headers)
    assert response.status_code == 202
    batch: dict[str, Any] = response.json()
    return batch


async def made(web: httpx.AsyncClient, store: Store, size: int) -> str:
    """The id of a batch whose jobs are all there."""
    batch = await accepted(web, size)
    await at_rest(store)
    batch_id: str = batch["batch_id"]
    return batch_id


async def at_rest(store: Store) -> None:
    """Nothing is left to be done in any batch."""

    async def nothing() -> bool:
        return not await store.redis.exists("tidings:chores")

    await sooner_or_later(nothing)


async def end(store: Store, most: int, type: str = "completed") -> None:
    data = {"error": {"code": "x", "message": "y"}} if type == "failed" else {}
    claims = await store.jobs.claim("w1", ["default"], most, lease_ms=60_000, kinds=["anything"])
    for run in claims.runs:
        await store.apply(run, type, data)


async def test_a_batch_is_answered_with_what_it_is(web: httpx.AsyncClient, store: Store) -> None:
    response = await web.post("/api/batches", json=of(3, tags=["x"]))
    assert response.status_code == 202
    batch = response.json()
    url = f"/api/batches/{batch['batch_id']}"
    assert response.headers["location"] == batch["links"]["self"] == url
    assert response.headers["retry-after"] == "3"
    assert '"submit";r=' in response.headers["ratelimit"]
    assert (batch["status"], batch["total"], batch["progress"]) == ("processing", 3, {"percent": 0})
    assert batch["counts"] == {"pending": 3, "processing": 0, "completed": 0, "failed": 0, "cancelled": 0}
    assert (await web.get(url)).json() == batch
    await at_rest(store)
    listed = (await web.get(batch["links"]["jobs"])).json()["jobs"]
    assert [job["batch_id"] for job in listed] == [batch["batch_id"]] * 3
    assert [job["tags"] for job in listed] == [["x"]] * 3
    assert (await web.get(listed[0]["links"]["self"])).json()["batch_id"] == batch["batch_id"]


async def test_ten_thousand_jobs_are_one_request_and_others_are_answered_meanwhile(
    web: httpx.AsyncClient, address: str, store: Store
) -> None:
    answered = 0

    async def asking() -> None:
        nonlocal answered
        async with httpx.AsyncClient(base_url=address, trust_env=False, verify=False) as other:
            while True:
                assert (await other.get("/api/jobs?limit=1")).status_code == 200
                answered += 1

    others = asyncio.create_task(asking())
    response = await web.post("/api/batches", content=to_json(of(MANY)), headers=JSON, timeout=60)
    assert response.status_code == 202
    before, url = answered, response.headers["location"]
    assert before > 0
    await at_rest(store)
    assert answered > before
    others.cancel()
    batch = (await web.get(url)).json()
    assert (batch["total"], batch["counts"]["pending"]) == (MANY, MANY)
    assert await store.redis.zcard("tidings:lane:default:anything:default") == MANY


async def test_more_jobs_than_allowed_are_refused(web: httpx.AsyncClient, store: Store) -> None:
    response = await web.post("/api/batches", content=to_json(of(MANY + 1)), headers=JSON, timeout=60)
    problem = assert_problem(response, 422, "invalid_batch")
    assert problem["errors"] == [{"pointer": "/jobs", "message": f"must be 1 to {MANY}"}]
    assert await store.queued() == 0


OK: dict[str, Any] = {"kind": "anything"}


@pytest.mark.parametrize(
    ("body", "code", "pointers"),
    [
        pytest.param([], "invalid_batch", [""], id="no object"),
        pytest.param({}, "invalid_batch", ["/jobs"], id="no jobs"),
        pytest.param({"jobs": []}, "invalid_batch", ["/jobs"], id="an empty list"),
        pytest.param({"jobs": {}}, "invalid_batch", ["/jobs"], id="jobs are an object"),
        pytest.param({"jobs": [OK], "x": 1}, "invalid_batch", ["/x"], id="unknown field"),
        pytest.param({"jobs": [OK], "tags": ["a,b"]}, "invalid_batch", ["/tags/0"], id="bad tag"),
        pytest.param({"jobs": [OK, 7]}, "invalid_job", ["/jobs/1"], id="no job"),
        pytest.param({"jobs": [OK, {}, {**OK, "x": 1}]}, "invalid_job", ["/jobs/1/kind", "/jobs/2/x"], id="misfits"),
        pytest.param(
            {"jobs": [{**OK, "tags": [*"abcdef"]}], "tags": [*"ghijk"]}, "invalid_job", ["/jobs/0/tags"], id="tags"
        ),
        pytest.param(
            {"jobs": [OK, {"kind": "nix"}, {"kind": "transcode", "params": {"height": 1}}]},
            "unknown_kind",
            ["/jobs/1/kind", "/jobs/2/params/height"],
            id="of several sorts",
        ),
        pytest.param(
            {"jobs": [OK, {"kind": "transcode", "params": {"input": "upload:x"}}, OK]},
            "unknown_input",
            ["/jobs/1/params/input"],
            id="unknown input",
        ),
        pytest.param(
            {"jobs": [OK, {**OK, "run_at": "9000-01-01T00:00:00Z"}]}, "invalid_job", ["/jobs/1/run_at"], id="too late"
        ),
        pytest.param({"jobs": [{}] * 30}, "invalid_job", [f"/jobs/{n}/kind" for n in range(20)], id="up to a bound"),
    ],
)
async def test_what_does_not_fit_is_named_and_nothing_is_queued(
    web: httpx.AsyncClient, store: Store, body: Any, code: str, pointers: list[str]
) -> None:
    problem = assert_problem(await web.post("/api/batches", json=body), 422, code)
    assert [error["pointer"] for error in problem["errors"]] == pointers
    assert await store.queued() == 0
    assert await store.redis.keys("tidings:batch:*") == []


async def test_a_body_is_bounded_and_must_be_json(settings: Settings, store: Store) -> None:
    await store.kinds.announce([ANYTHING])
    small = settings.model_copy(update={"max_batch_body_bytes": 200, "max_body_bytes": 20})
    async with calling(create_app(small)) as web:
        assert_problem(await web.post("/api/batches", json=of(20)), 413, "body_too_large")
        assert_problem(await web.post("/api/batches", content=b"{", headers=JSON), 400, "invalid_json")
        assert_problem(await web.post("/api/batches", content=b"{}"), 415, "unsupported_media_type")
        assert (await web.post("/api/batches", json=of(2))).status_code == 202


async def test_an_input_of_many_jobs_is_kept_as_long_as_the_last_needs_it(web: httpx.AsyncClient, store: Store) -> None:
    upload_id = new_job_id()
    await store.uploads.add(Upload(upload_id, "default", "a", 1, "00", "", await store.uploads.expiry() - 86_000_000))
    job = {"kind": "transcode", "params": {"input": f"upload:{upload_id}"}}
    ttls = [{"result_ttl_seconds": seconds} for seconds in (10, 200_000, 20)]
    response = await web.post("/api/batches", json={"jobs": [job | ttl for ttl in ttls]})
    assert response.status_code == 202
    assert 199_990_000 < await store.redis.pttl(f"tidings:upload:{upload_id}") <= 200_000_000


async def test_a_repeat_with_the_same_key_gets_the_answer_of_the_first(web: httpx.AsyncClient, store: Store) -> None:
    key = {"Idempotency-Key": "one"}
    first = await web.post("/api/batches", json=of(3), headers=key)
    await at_rest(store)
    await end(store, 1)
    again = await web.post("/api/batches", json=of(3), headers=key)
    assert "idempotency-replayed" not in first.headers
    assert (again.status_code, again.headers["idempotency-replayed"]) == (202, "true")
    assert again.json() == first.json()
    for header in ("location", "idempotency-expires"):
        assert again.headers[header] == first.headers[header]
    assert_problem(await web.post("/api/batches", json=of(4), headers=key), 422, "idempotency_conflict")
    assert_problem(await web.post("/api/jobs", json={"kind": "anything"}, headers=key), 422, "idempotency_conflict")
    assert await store.queued() == 4  # a lane, and three jobs


async def test_who_has_the_current_state_gets_304(web: httpx.AsyncClient, store: Store) -> None:
    url = f"/api/batches/{await made(web, store, 2)}"
    first = await web.get(url)
    assert (first.headers["etag"], first.headers["cache-control"]) == ('"1"', "private, no-cache")
    same = await web.get(url, headers={"If-None-Match": '"1"'})
    assert (same.status_code, same.content, same.headers["retry-after"]) == (304, b"", "3")
    await end(store, 1)
    later = await web.get(url, headers={"If-None-Match": '"1"'})
    assert (later.status_code, later.json()["progress"]["percent"]) == (200, 50)
    await end(store, 1)
    assert "retry-after" not in (await web.get(url)).headers


async def test_asking_too_often_is_refused_with_the_time_to_wait(settings: Settings, store: Store) -> None:
    await store.kinds.announce([ANYTHING])
    async with calling(create_app(settings.model_copy(update={"poll_burst": 2}))) as web:
        url = f"/api/batches/{(await accepted(web, 1))['batch_id']}"
        assert [(await web.get(url)).status_code for _ in range(2)] == [200, 200]
        refused = await web.get(url)
    assert (refused.status_code, refused.json()["code"]) == (429, "poll_too_fast")
    assert 1 <= int(refused.headers["retry-after"]) <= 3


@pytest.mark.parametrize("what", ["", "/events", "/cancel", "/retry"])
async def test_another_owners_batch_looks_unknown(web: httpx.AsyncClient, store: Store, what: str) -> None:
    foreign = (await BatchStore(store.redis).accept(Order(new_job_id(), "other", [submission(owner="other")]))).batch
    method = "POST" if what in ("/cancel", "/retry") else "GET"
    for batch_id in (foreign.batch_id, new_job_id(), "x", "A" * 26, "%2e%2e"):
        response = await web.request(method, f"/api/batches/{batch_id}{what}")
        assert_problem(response, 404, "unknown_batch")


async def test_all_is_cancelled_by_one_request(web: httpx.AsyncClient, store: Store) -> None:
    batch_id = await made(web, store, 40)
    await end(store, 1)
    response = await web.post(f"/api/batches/{batch_id}/cancel")
    assert response.status_code == 202
    assert response.json()["cancel_requested_at"]
    await at_rest(store)
    again = await web.post(f"/api/batches/{batch_id}/cancel")
    assert again.status_code == 200
    batch = again.json()
    assert (batch["status"], batch["counts"]["completed"], batch["counts"]["cancelled"]) == ("completed", 1, 39)
    assert batch["finished_at"]
    assert batch["expires_at"]


async def test_the_failed_are_run_again_by_one_request(web: httpx.AsyncClient, store: Store) -> None:
    batch_id = await made(web, store, 3)
    assert_problem(await web.post(f"/api/batches/{batch_id}/retry"), 409, "not_retryable")
    await end(store, 2, "failed")
    await end(store, 1)
    response = await web.post(f"/api/batches/{batch_id}/retry")
    assert (response.status_code, response.json()["status"]) == (202, "processing")
    await at_rest(store)
    batch = (await web.get(f"/api/batches/{batch_id}")).json()
    assert (batch["status"], batch["counts"]["pending"], batch["counts"]["completed"]) == ("processing", 2, 1)


async def test_a_batch_id_that_can_be_none_is_refused_by_the_list(web: httpx.AsyncClient) -> None:
    problem = assert_problem(await web.get("/api/jobs?batch_id=x"), 400, "invalid_request")
    assert problem["parameter"] == "batch_id"


async def test_without_redis_a_batch_is_unavailable(settings: Settings) -> None:
    async with calling(create_app(away(settings))) as web:
        assert_problem(await web.post("/api/batches", json=of(1)), 503, "unavailable")


# Streams


@asynccontextmanager
async def watched(web: httpx.AsyncClient, batch_id: str) -> AsyncIterator[AsyncIterator[Block]]:
    """The blocks after the first, which is about reconnecting."""
    async with stream(web, f"/api/batches/{batch_id}/events") as response:
        assert response.headers["content-type"] == "text/event-stream"
        reading = blocks(response)
        assert (await anext(reading)).fields == {"retry": "3000"}
        yield reading


async def test_a_stream_tells_the_whole_batch_until_it_has_completed(web: httpx.AsyncClient, store: Store) -> None:
    batch_id = await made(web, store, 3)
    async with watched(web, batch_id) as reading:
        first = await anext(reading)
        assert first.event["data"] == (await web.get(f"/api/batches/{batch_id}")).json()
        await end(store, 1)
        await end(store, 2, "failed")
        told = [first, *[block async for block in reading]]
    assert [told[0].type, told[-1].type] == ["snapshot", "completed"]
    assert {block.type for block in told[1:-1]} <= {"progress"}
    for block in told:
        assert block.event.keys() == {"batch_id", "seq", "type", "at", "data"}
        assert (block.event["batch_id"], block.event["type"]) == (batch_id, block.type)
        assert str(block.event["seq"]) == block.id
        assert block.event["seq"] == block.event["data"]["seq"]
    last = told[-1].event["data"]
    assert (last["status"], last["counts"]["completed"], last["counts"]["failed"]) == ("completed", 1, 2)


async def test_who_has_the_end_gets_204_and_who_has_anything_else_a_snapshot(
    web: httpx.AsyncClient, store: Store
) -> None:
    batch_id = await made(web, store, 1)
    await end(store, 1)
    path = f"/api/batches/{batch_id}/events"
    seq = (await web.get(f"/api/batches/{batch_id}")).json()["seq"]
    async with stream(web, path, **{"Last-Event-ID": str(seq)}) as response:
        assert response.status_code == 204
    for other in ("1", "0", "999", "x"):
        told = await whole(web, path, **{"Last-Event-ID": other})
        assert [(block.type, block.id) for block in told] == [(None, None), ("snapshot", str(seq))]


async def test_a_batch_has_one_form_of_events(web: httpx.AsyncClient, store: Store) -> None:
    batch_id = await made(web, store, 1)
    response = await web.get(f"/api/batches/{batch_id}/events", headers={"Accept": "application/json"})
    assert_problem(response, 406, "not_acceptable")


async def test_real_workers_finish_a_batch_and_its_stream_tells_so(
    web: httpx.AsyncClient, store: Store, redis_url: str, tmp_path: Path
) -> None:
    async def known() -> bool:
        return "chore" in await store.kinds.known()

    async with working(redis_url, tmp_path, concurrency=20):
        await sooner_or_later(known)
        response = await web.post("/api/batches", json={"jobs": [{"kind": "chore"}] * 200})
        told = await whole(web, f"{response.headers['location']}/events")
    last = told[-1].event["data"]
    assert (last["status"], last["counts"][Status.COMPLETED], last["progress"]["percent"]) == ("completed", 200, 100)
