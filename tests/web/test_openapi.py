"""The document says what the service does: all routes, all refusals, and the very objects that are sent."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema_rs import Draft202012Validator
from openapi_spec_validator import OpenAPIV32SpecValidator
from starlette.routing import BaseRoute

from app.errors import REFUSALS, BadMessage, MethodNotAllowed, NotFound, TooManySubscriptions
from app.events import OURS
from app.jobs import Status
from app.main import assemble
from app.settings import Settings
from app.store import Announcement, WorkerStore
from app.web.contract import Described
from tests.web.conftest import Store
from workers import Wait
from workers.run import entries, verdict
from workers.run.entries import Bounds

BOUNDS = Bounds(event_bytes=16 << 10, log_line_bytes=8 << 10, result_bytes=256 << 10)

"""Methods that the document speaks of once for all."""

ON_NO_ROUTE = {NotFound, MethodNotAllowed, BadMessage, TooManySubscriptions}
"""What is refused where there is no operation, and on WebSockets."""


@pytest.fixture
async def document(web: httpx.AsyncClient) -> dict[str, Any]:
    document: dict[str, Any] = (await web.get("/openapi.json")).json()
    return document


def real_routes(tmp_path: Path) -> list[BaseRoute]:
    return assemble(Settings(data_dir=tmp_path)).routes


def validator(document: dict[str, Any], name: str) -> Draft202012Validator:
    schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    return Draft202012Validator(schema, validate_formats=True)


def responses(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for item in document["paths"].values():
        for operation in item.values():
            yield from operation["responses"].items()


async def test_the_document_is_valid_openapi(document: dict[str, Any]) -> None:
    OpenAPIV32SpecValidator(document).validate()
    assert document["openapi"] == "3.2.0"


async def test_every_route_is_described_and_nothing_else(document: dict[str, Any], tmp_path: Path) -> None:
    routes = real_routes(tmp_path)
    there = {(route.path_format, method) for route in routes if isinstance(route, Described) for method in route.doors}
    described = {(path, method.upper()) for path, item in document["paths"].items() for method in item}
    assert described == there - {("/static/{path}", "GET")}


async def test_every_refusal_is_described_somewhere(document: dict[str, Any]) -> None:
    codes = {
        (int(status), code)
        for status, response in responses(document)
        for schema in [response.get("content", {}).get("application/problem+json", {}).get("schema", {})]
        for code in (schema["allOf"][1]["properties"]["code"]["enum"] if schema else [])
    }
    assert codes == {(refusal.status, refusal.code) for refusal in set(REFUSALS) - ON_NO_ROUTE}


async def test_every_operation_is_explained(document: dict[str, Any]) -> None:
    operations = [operation for item in document["paths"].values() for operation in item.values()]
    assert all(operation["summary"] for operation in operations)
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    assert {tag for operation in operations for tag in operation["tags"]} == {tag["name"] for tag in document["tags"]}


async def test_a_job_object_is_as_described_in_every_state(
    web: httpx.AsyncClient, store: Store, document: dict[str, Any]
) -> None:
    fits = validator(document, "JobObject")
    await store.submitted(tags=("a", "b"), delay_ms=60_000)
    running = await store.claimed()
    await store.apply(running, "progress", {"percent": 5.5, "message": "x", "eta_seconds": 3, "data": {"any": 1}})
    failed = await store.claimed()
    await store.apply(failed, "failed", {"error": {"code": "handler_error", "message": "x", "type": "ValueError"}})
    saved = await store.claimed()
    await store.save(saved, "clip.mp4", b"1234")
    await store.apply(saved, "completed", {"result": {"any": [1]}})
    waiting = await store.claimed()
    await store.apply(waiting, "waiting", {"for": "callback", "deadline": "@"}, "60000")
    cancelled = await store.submitted()
    await store.jobs.cancel(cancelled.job_id, "default")
    page = (await web.get("/api/jobs")).json()
    assert {job["status"] for job in page["jobs"]} == set(Status)
    for job in page["jobs"]:
        fits.validate(job)
    validator(document, "JobPage").validate(page)


async def test_every_event_of_a_log_is_as_described(
    web: httpx.AsyncClient, store: Store, document: dict[str, Any]
) -> None:
    fits = validator(document, "JobLog")
    told: set[str] = set()
    retried = await store.claimed()
    await store.save(retried, "clip.mp4", b"1234")
    await store.tell(retried, entries.log(BOUNDS, "x", "info"))
    await store.tell(retried, entries.custom(BOUNDS, "found", {"any": 1}))
    await store.tell(retried, entries.progress(BOUNDS, 5, "x", 2.5, {"any": 1}))
    await store.tell(retried, verdict.raised(retried, ValueError("x")))
    failed, completed = await store.claimed(), await store.claimed()
    await store.tell(failed, verdict.failed("corrupt", "x"))
    await store.tell(completed, verdict.completed(completed, '{"any": 1}', BOUNDS, ""))
    stopping = await store.claimed()
    await store.jobs.cancel(stopping.job_id, "default", "enough")
    await store.apply(stopping, "cancelled", {"stage": "processing"})
    waiting = await store.claimed()
    await store.tell(waiting, verdict.raised(waiting, Wait(60)))
    held = await store.submitted()
    await store.jobs.suspend(held.job_id, "default", 60_000)
    await store.jobs.resume(held.job_id, "default")
    for run in (retried, failed, completed, stopping, waiting, held):
        log = (await web.get(f"/api/jobs/{run.job_id}/events", headers={"Accept": "application/json"})).json()
        fits.validate(log)
        told |= {event["type"] for event in log["events"]}
    assert told == (OURS | {"found"}) - {"position"}  # told of a job that is watched for a while


async def test_kinds_and_queues_are_as_described(web: httpx.AsyncClient, document: dict[str, Any]) -> None:
    validator(document, "KindList").validate((await web.get("/api/kinds")).json())
    validator(document, "QueueList").validate((await web.get("/api/queues")).json())


async def test_workers_and_pollers_are_as_described(
    web: httpx.AsyncClient, store: Store, document: dict[str, Any]
) -> None:
    await WorkerStore(store.redis).announce("w1", Announcement("host", 1, ("k",), ("default",)), holds_ms=60_000)
    run = await store.claimed()
    while (await web.get(f"/api/jobs/{run.job_id}")).status_code != 429:
        pass
    workers, pollers = [(await web.get(f"/api/{what}")).json() for what in ("workers", "pollers")]
    validator(document, "WorkerList").validate(workers)
    validator(document, "PollerList").validate(pollers)
    assert len(workers["workers"][0]["running"]) == len(pollers["pollers"]) == 1


async def test_an_event_with_a_foreign_member_is_not_as_described(document: dict[str, Any]) -> None:
    event = {"job_id": "a" * 26, "seq": 1, "at": "2026-11-25T10:00:00.000Z", "type": "log"}
    fits = validator(document, "Event")
    assert fits.is_valid(event | {"data": {"level": "info", "line": "x"}})
    assert not fits.is_valid(event | {"data": {"level": "info", "line": "x", "more": 1}})
    assert not fits.is_valid(event | {"data": {}})


async def test_a_problem_is_as_described(web: httpx.AsyncClient, document: dict[str, Any]) -> None:
    fits = validator(document, "Problem")
    for answer in [
        await web.get("/nothing"),
        await web.post("/api/jobs", json={"kind": 1}),
        await web.get("/api/jobs/x"),
    ]:
        fits.validate(answer.json())


async def test_the_events_of_a_stream_are_described_one_by_one(document: dict[str, Any]) -> None:
    content = document["paths"]["/api/events"]["get"]["responses"]["200"]["content"]
    assert content["text/event-stream"] == {"itemSchema": {"$ref": "#/components/schemas/SseBlock"}}
    data = document["components"]["schemas"]["SseBlock"]["properties"]["data"]
    assert data["contentSchema"] == {"$ref": "#/components/schemas/StreamEvent"}


async def test_the_document_is_revalidated(web: httpx.AsyncClient) -> None:
    first = await web.get("/openapi.json")
    again = await web.get("/openapi.json", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
