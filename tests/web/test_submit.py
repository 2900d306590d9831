import asyncio
from typing import Any

import httpx
import pytest
from pydantic_core import to_json

from app.clock import rfc3339
from app.main import create_app
from app.settings import Settings
from app.store import Kind, Upload
from tests.web.conftest import ANYTHING, TRANSCODE, Store, assert_problem, assert_refused, away, calling

JSON = {"Content-Type": "application/json"}


async def upload(store: Store, owner: str = "default", ttl_ms: int = 60_000) -> str:
    upload_id = "abcdefghijklmnopqrstuvwx23"
    expires_at = await store.uploads.expiry() - 86_400_000 + ttl_ms
    await store.uploads.add(Upload(upload_id, owner, "a.mp4", 1, "00", "video/mp4", expires_at))
    return upload_id


async def test_a_submission_is_answered_with_the_job_as_the_store_has_it(web: httpx.AsyncClient, store: Store) -> None:
    response = await web.post(
        "/api/jobs", json={"kind": "transcode", "params": {"height": 240}, "tags": ["a", "b", "a"]}
    )

    assert response.status_code == 202
    job = response.json()
    assert response.headers["location"] == f"/api/jobs/{job['job_id']}"
    assert response.headers["retry-after"] == "3"
    assert response.headers["content-type"] == "application/json"
    assert (job["status"], job["seq"], job["tags"], job["max_attempts"]) == ("pending", 1, ["a", "b"], 3)
    view = await store.jobs.read(job["job_id"])
    assert view is not None
    assert view.job.shown() == job


async def test_what_is_asked_for_wins_over_the_kind(web: httpx.AsyncClient, store: Store) -> None:
    limits = {"timeout_seconds": 1.5, "max_attempts": 7, "result_ttl_seconds": 9}
    times = {"delay_seconds": 60, "start_within_seconds": 0.5}
    job = (await web.post("/api/jobs", json={"kind": "anything"} | limits | times)).json()

    record = await store.record(job["job_id"])
    assert (record[b"timeout"], record[b"max_attempts"], record[b"ttl"]) == (b"1500", b"7", b"9000")
    assert int(record[b"start_by"]) == int(record[b"created"]) + 60_500
    assert job["retry_at"] > job["created_at"]
    assert job["position"] is None
    view = await store.jobs.read(job["job_id"])
    assert view is not None
    assert view.job.shown() == job


async def test_how_long_a_result_is_kept_the_job_says_or_its_kind_or_the_settings(
    web: httpx.AsyncClient, store: Store, settings: Settings
) -> None:
    await store.kinds.announce([Kind("brief", "", {"type": "object"}, "default", 1, 1, result_ttl_seconds=60)])
    bodies: list[Any] = [{"kind": "brief", "result_ttl_seconds": 9}, {"kind": "brief"}, {"kind": "anything"}]
    jobs = [(await web.post("/api/jobs", json=body)).json() for body in bodies]
    kept = [int((await store.record(job["job_id"]))[b"ttl"]) for job in jobs]
    assert kept == [9_000, 60_000, settings.result_ttl_seconds * 1000]


async def test_a_kind_announced_this_moment_is_known(web: httpx.AsyncClient, store: Store) -> None:
    await web.post("/api/jobs", json={"kind": "anything"})
    await store.kinds.announce([Kind("new", "", {"type": "object"}, "default", 1, 1)])
    assert (await web.post("/api/jobs", json={"kind": "new"})).status_code == 202


NESTED = b'{"kind":"anything","params":{"a":' + b"[" * 31 + b"]" * 31 + b"}}"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        pytest.param(b"", 400, "invalid_json", id="empty"),
        pytest.param(b"{", 400, "invalid_json", id="cut off"),
        pytest.param(b'{"kind": "anything"} x', 400, "invalid_json", id="trailing"),
        pytest.param(b'{"kind": "\xff"}', 400, "invalid_json", id="not UTF-8"),
        pytest.param(b'{"kind": "\\ud800"}', 400, "invalid_json", id="lone surrogate"),
        pytest.param(b'{"kind": "anything", "params": {"a": NaN}}', 400, "invalid_json", id="NaN"),
        pytest.param(b'{"kind": "anything", "params": {"a": -1e999}}', 400, "invalid_json", id="out of range"),
        pytest.param(NESTED, 400, "invalid_json", id="one level too deep"),
        pytest.param(b'{"params": ' + b"[" * 100_000, 400, "invalid_json", id="nested without end"),
        pytest.param(b"x" * (1 << 20) + b"y", 413, "body_too_large", id="a byte over 1 MiB"),
        pytest.param(b"[]", 422, "invalid_job", id="no object"),
        pytest.param(b"{}", 422, "invalid_job", id="no kind"),
        pytest.param(b'{"kind": 1}', 422, "invalid_job", id="kind is a number"),
        pytest.param(b'{"kind": "anything", "params": []}', 422, "invalid_job", id="params are a list"),
        pytest.param(b'{"kind": "anything", "urgency": 1}', 422, "invalid_job", id="unknown field"),
        pytest.param(b'{"kind": "anything", "max_attempts": true}', 422, "invalid_job", id="a boolean for a number"),
        pytest.param(b'{"kind": "anything", "max_attempts": 0}', 422, "invalid_job", id="no attempts"),
        pytest.param(b'{"kind": "anything", "timeout_seconds": -1}', 422, "invalid_job", id="negative time"),
        pytest.param(b'{"kind": "anything", "timeout_seconds": 1e12}', 422, "invalid_job", id="endless time"),
        pytest.param(b'{"kind": "anything", "start_within_seconds": 0}', 422, "invalid_job", id="no time to start"),
        pytest.param(b'{"kind": "anything", "start_within_seconds": 1e9}', 422, "invalid_job", id="over a year"),
        pytest.param(b'{"kind": "anything", "delay_seconds": "5"}', 422, "invalid_job", id="text for a number"),
        pytest.param(b'{"kind": "anything", "tags": ["a\\nb"]}', 422, "invalid_job", id="tag with a line break"),
        pytest.param(b'{"kind": "anything", "tags": ["a,b"]}', 422, "invalid_job", id="tag with a comma"),
        pytest.param(b'{"kind": "anything", "tags": [""]}', 422, "invalid_job", id="empty tag"),
        pytest.param(to_json({"kind": "anything", "tags": ["t" * 65]}), 422, "invalid_job", id="long tag"),
        pytest.param(to_json({"kind": "anything", "tags": [*"abcdefghijk"]}), 422, "invalid_job", id="eleven tags"),
        pytest.param(b'{"kind": "nothing"}', 422, "unknown_kind", id="unknown kind"),
        pytest.param(b'{"kind": "transcode", "params": {"height": 1}}', 422, "invalid_params", id="misfit"),
        pytest.param(b'{"kind": "transcode", "params": {"x": 1}}', 422, "invalid_params", id="unknown param"),
        pytest.param(
            to_json({"kind": "anything", "params": {"a": "x" * (256 << 10)}}), 422, "invalid_params", id="large params"
        ),
        pytest.param(b'{"kind": "transcode", "params": {"input": "x"}}', 422, "unknown_input", id="no input at all"),
        pytest.param(
            b'{"kind": "transcode", "params": {"input": "https://example.org/a"}}', 422, "unknown_input", id="URL"
        ),
        pytest.param(
            b'{"kind": "transcode", "params": {"input": "upload:../../etc/passwd"}}', 422, "unknown_input", id="path"
        ),
        pytest.param(
            b'{"kind": "transcode", "params": {"input": "artifact:abcdefghijklmnopqrstuvwx22/a"}}',
            422,
            "unknown_input",
            id="artifact of no job",
        ),
    ],
)
async def test_bad_input_is_refused_and_nothing_queued(
    web: httpx.AsyncClient, store: Store, body: bytes, status: int, code: str
) -> None:
    response = await web.post("/api/jobs", content=body, headers=JSON)
    assert_problem(response, status, code)
    assert await store.queued() == 0


async def test_the_deepest_body_that_is_allowed_is_taken(web: httpx.AsyncClient) -> None:
    body = b'{"kind":"anything","params":{"a":' + b"[" * 30 + b"]" * 30 + b"}}"
    assert (await web.post("/api/jobs", content=body, headers=JSON)).status_code == 202


async def test_a_body_without_a_length_is_bounded_while_it_comes(web: httpx.AsyncClient, store: Store) -> None:
    async def endless() -> Any:
        for _ in range(40):
            yield b"x" * 65536

    assert_problem(await web.post("/api/jobs", content=endless(), headers=JSON), 413, "body_too_large")
    assert await store.queued() == 0


async def test_every_misfit_is_named_by_its_pointer(web: httpx.AsyncClient) -> None:
    body: dict[str, Any] = {"kind": "transcode", "params": {"height": 1, "input": 2}}
    errors = assert_problem(await web.post("/api/jobs", json=body), 422, "invalid_params")["errors"]
    assert {error["pointer"] for error in errors} == {"/params/height", "/params/input"}
    assert all(error["message"] for error in errors)

    body = {"kind": "anything", "tags": ["ok", ""], "a/b": 1}
    errors = assert_problem(await web.post("/api/jobs", json=body), 422, "invalid_job")["errors"]
    assert {error["pointer"] for error in errors} == {"/tags/1", "/a~1b"}


async def test_an_unknown_kind_is_told_which_there_are(web: httpx.AsyncClient) -> None:
    problem = assert_problem(await web.post("/api/jobs", json={"kind": "x"}), 422, "unknown_kind")
    assert problem["kinds"] == ["anything", "transcode"]


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded", "application/jsonx"])
async def test_only_json_is_taken(web: httpx.AsyncClient, store: Store, content_type: str | None) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    response = await web.post("/api/jobs", content=b'{"kind": "anything"}', headers=headers)
    assert_problem(response, 415, "unsupported_media_type")
    assert await store.queued() == 0


async def test_a_charset_does_no_harm_and_a_content_encoding_is_refused(web: httpx.AsyncClient) -> None:
    body = b'{"kind": "anything"}'
    typed = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert (await web.post("/api/jobs", content=body, headers=typed)).status_code == 202
    response = await web.post("/api/jobs", content=body, headers=JSON | {"Content-Encoding": "gzip"})
    assert_problem(response, 415, "unsupported_media_type")


async def test_an_upload_is_kept_until_its_job_is_over(web: httpx.AsyncClient, store: Store) -> None:
    upload_id = await upload(store)
    body: dict[str, Any] = {"kind": "transcode", "params": {"input": f"upload:{upload_id}"}}
    body["result_ttl_seconds"] = 200_000
    assert (await web.post("/api/jobs", json=body)).status_code == 202
    assert 199_990_000 < await store.redis.pttl(f"tidings:upload:{upload_id}") <= 200_000_000


async def test_an_upload_of_another_owner_looks_unknown(web: httpx.AsyncClient, store: Store) -> None:
    body = {"kind": "transcode", "params": {"input": f"upload:{await upload(store, owner='other')}"}}
    foreign = assert_problem(await web.post("/api/jobs", json=body), 422, "unknown_input")
    await store.redis.flushdb()
    await store.kinds.announce([TRANSCODE])
    absent = assert_problem(await web.post("/api/jobs", json=body), 422, "unknown_input")
    assert foreign == absent


async def test_an_artifact_of_an_own_job_is_an_input(web: httpx.AsyncClient, store: Store) -> None:
    own, foreign = await store.claimed(), await store.claimed(owner="other")
    for run in (own, foreign):
        await store.save(run, "a.mp4", b"film")
    for reference, status in [
        (f"{own.job_id}/a.mp4", 202),
        (f"{own.job_id}/b.mp4", 422),
        (f"{foreign.job_id}/a.mp4", 422),
    ]:
        body = {"kind": "transcode", "params": {"input": f"artifact:{reference}"}}
        assert (await web.post("/api/jobs", json=body)).status_code == status


async def test_a_repeat_with_the_same_key_gets_the_answer_of_the_first(web: httpx.AsyncClient, store: Store) -> None:
    first = await web.post("/api/jobs", json={"kind": "anything"}, headers={"Idempotency-Key": '"one"'})
    await store.jobs.cancel(first.json()["job_id"], "default")
    again = await web.post("/api/jobs", json={"params": {}, "kind": "anything"}, headers={"Idempotency-Key": "one"})

    assert "idempotency-replayed" not in first.headers
    assert (again.status_code, again.headers["idempotency-replayed"]) == (202, "true")
    assert again.json() == first.json()
    assert again.headers["location"] == first.headers["location"]


@pytest.mark.parametrize("other", [{"params": {"a": 1}}, {"start_within_seconds": 5}], ids=str)
async def test_the_same_key_for_another_request_is_a_conflict(web: httpx.AsyncClient, other: dict[str, Any]) -> None:
    headers = {"Idempotency-Key": "one"}
    await web.post("/api/jobs", json={"kind": "anything"}, headers=headers)
    response = await web.post("/api/jobs", json={"kind": "anything"} | other, headers=headers)
    assert_problem(response, 422, "idempotency_conflict")


@pytest.mark.parametrize("key", ["", '""', '"open', "two words", '"a"; b=1', "k" * 256, '"bad\\escape"'])
async def test_a_malformed_key_is_refused(web: httpx.AsyncClient, store: Store, key: str) -> None:
    response = await web.post("/api/jobs", json={"kind": "anything"}, headers={"Idempotency-Key": key})
    assert_problem(response, 400, "invalid_request")
    assert await store.queued() == 0


async def test_links_are_absolute_where_a_public_url_is_set(settings: Settings, store: Store) -> None:
    await store.kinds.announce([ANYTHING])
    public = settings.model_copy(update={"public_url": "https://tidings.example"})
    async with calling(create_app(public)) as web:
        response = await web.post("/api/jobs", json={"kind": "anything"})
    assert response.headers["location"].startswith("https://tidings.example/api/jobs/")
    assert response.json()["links"]["self"] == response.headers["location"]


async def test_without_redis_a_submission_is_unavailable_and_says_when_to_come_again(settings: Settings) -> None:
    async with calling(create_app(away(settings))) as web:
        response = await web.post("/api/jobs", json={"kind": "anything"})
    problem = assert_problem(response, 503, "unavailable")
    assert problem["retry_after"] == int(response.headers["retry-after"])


# When it is to run


async def now_ms(store: Store) -> int:
    seconds, micros = await store.redis.time()
    return int(seconds * 1_000 + micros // 1_000)


@pytest.mark.parametrize("form", [rfc3339, lambda ms: ms / 1_000, lambda ms: rfc3339(ms)[:-1] + "+00:00"])
async def test_a_job_may_be_for_later_by_date_or_by_seconds(web: httpx.AsyncClient, store: Store, form: Any) -> None:
    at = await now_ms(store) + 3_600_000
    response = await web.post("/api/jobs", json={"kind": "anything", "run_at": form(at), "start_within_seconds": 5})
    job = response.json()
    assert (response.status_code, job["retry_at"], job["position"]) == (202, rfc3339(at), None)
    record = await store.record(job["job_id"])
    assert (int(record[b"due"]), int(record[b"start_by"])) == (at, at + 5_000)
    view = await store.jobs.read(job["job_id"])
    assert view
    assert view.job.shown() == job


@pytest.mark.parametrize("past", ["2020-01-01T00:00:00Z", 0, 1.5])
async def test_what_was_for_the_past_is_for_now(web: httpx.AsyncClient, past: str | float) -> None:
    job = (await web.post("/api/jobs", json={"kind": "anything", "run_at": past})).json()
    assert (job["retry_at"], job["position"]) == (None, 0)


@pytest.mark.parametrize(
    ("fields", "pointers"),
    [
        ({"run_at": "9000-01-01T00:00:00Z"}, ["/run_at"]),
        ({"run_at": "tomorrow"}, ["/run_at"]),
        ({"run_at": "2030-01-01T00:00:00"}, ["/run_at"]),
        ({"run_at": True}, ["/run_at"]),
        ({"run_at": -1}, ["/run_at"]),
        ({"run_at": 1e300}, ["/run_at"]),
        ({"run_at": 0, "delay_seconds": 0}, ["/run_at"]),
        ({"delay_seconds": 61}, ["/delay_seconds"]),
        ({"timeout_seconds": 31}, ["/timeout_seconds"]),
        ({"max_attempts": 4}, ["/max_attempts"]),
        ({"tags": ["a", "b", "c"]}, ["/tags"]),
        ({"timeout_seconds": 31, "max_attempts": 4}, ["/timeout_seconds", "/max_attempts"]),
        ({"priority": -1}, ["/priority"]),
        ({"priority": 10}, ["/priority"]),
        ({"priority": 0.5}, ["/priority"]),
        ({"metadata": {"a": {}}}, ["/metadata/a"]),
        ({"metadata": {"a": []}}, ["/metadata/a"]),
        ({"metadata": []}, ["/metadata"]),
        ({"metadata": {"": 1}}, ["/metadata"]),
        ({"metadata": {"x" * 65: 1}}, ["/metadata"]),
        ({"metadata": {"a\n": 1}}, ["/metadata"]),
        ({"metadata": {"a": "x" * 93}}, ["/metadata"]),
    ],
    ids=str,
)
async def test_what_lies_out_of_bounds_is_named_and_nothing_queued(
    settings: Settings, store: Store, fields: dict[str, Any], pointers: list[str]
) -> None:
    await store.kinds.announce([ANYTHING])
    bounds = {"max_delay_seconds": 60, "max_timeout_seconds": 30, "max_attempts": 3, "max_tags": 2}
    strict = settings.model_copy(update=bounds | {"max_metadata_bytes": 100})
    async with calling(create_app(strict)) as web:
        response = await web.post("/api/jobs", json={"kind": "anything"} | fields)
    errors = assert_problem(response, 422, "invalid_job")["errors"]
    assert {error["pointer"].rpartition("/metadata/a")[1] or error["pointer"] for error in errors} == set(pointers)
    assert await store.queued() == 0


async def test_what_lies_at_the_bounds_is_taken(settings: Settings, store: Store) -> None:
    await store.kinds.announce([ANYTHING])
    bounds = {"max_delay_seconds": 60, "max_timeout_seconds": 30, "max_attempts": 3, "max_tags": 2}
    strict = settings.model_copy(update=bounds | {"max_metadata_bytes": 100})
    fields = {"delay_seconds": 60, "timeout_seconds": 30, "max_attempts": 3, "tags": ["a", "b"], "priority": 9}
    async with calling(create_app(strict)) as web:
        response = await web.post("/api/jobs", json={"kind": "anything", "metadata": {"a": "x" * 92}} | fields)
    assert (response.status_code, response.json()["priority"]) == (202, 9)


async def test_metadata_is_kept_as_it_was_sent(web: httpx.AsyncClient, store: Store) -> None:
    metadata = {"who": "J\u00fcrgen", "n": 3, "x": 0.1, "yes": True, "nothing": None, "x" * 64: ""}
    job = (await web.post("/api/jobs", json={"kind": "anything", "metadata": metadata})).json()
    assert job["metadata"] == metadata
    assert (await web.get(f"/api/jobs/{job['job_id']}")).json()["metadata"] == metadata


# What an owner may submit


@pytest.mark.parametrize(
    ("bound", "status", "code", "type", "seconds"),
    [
        ("submits_per_minute", 429, "submit_too_fast", "quota-exceeded", 60),
        ("max_waiting_per_owner", 429, "queue_full", "quota-exceeded", 15),
        ("max_waiting", 503, "store_full", "temporary-reduced-capacity", 15),
    ],
)
async def test_more_than_there_may_be_is_told_when_to_come_again_and_a_repeat_is_answered(
    settings: Settings, store: Store, bound: str, status: int, code: str, type: str, seconds: int
) -> None:
    await store.kinds.announce([ANYTHING])
    keyed = {"Idempotency-Key": "one"}
    async with calling(create_app(settings.model_copy(update={bound: 1}))) as web:
        first = await web.post("/api/jobs", json={"kind": "anything"}, headers=keyed)
        queued = await store.queued()
        response = await web.post("/api/jobs", json={"kind": "anything"})
        again = await web.post("/api/jobs", json={"kind": "anything"}, headers=keyed)
    problem_type = f"https://iana.org/assignments/http-problem-types#{type}"
    problem = assert_refused(response, status, code, problem_type)
    assert response.headers["retry-after"] == str(seconds)
    assert problem["retry_after"] == seconds
    assert await store.queued() == queued
    assert (again.status_code, again.headers["idempotency-replayed"]) == (202, "true")
    assert again.json() == first.json()


async def test_a_repeat_is_answered_while_redis_is_nearly_full(settings: Settings, store: Store) -> None:
    await store.kinds.announce([ANYTHING])
    keyed = {"Idempotency-Key": "one"}
    async with calling(create_app(settings)) as web:
        first = await web.post("/api/jobs", json={"kind": "anything"}, headers=keyed)
    async with calling(create_app(settings.model_copy(update={"max_redis_memory_share": 0.0}))) as web:
        async with asyncio.timeout(20):
            while (await web.post("/api/jobs", json={"kind": "anything"})).status_code != 503:
                pass
        again = await web.post("/api/jobs", json={"kind": "anything"}, headers=keyed)
    assert (again.status_code, again.headers["idempotency-replayed"]) == (202, "true")
    assert again.json() == first.json()


async def test_a_submission_tells_what_is_left(web: httpx.AsyncClient) -> None:
    response = await web.post("/api/jobs", json={"kind": "anything"})
    assert response.headers["ratelimit-policy"] == '"submit";q=300000;w=60'
    assert response.headers["ratelimit"] == '"submit";r=299999;t=1'


async def test_a_repeat_whose_upload_has_expired_gets_the_answer_of_the_first(
    web: httpx.AsyncClient, store: Store
) -> None:
    body = {"kind": "transcode", "params": {"input": f"upload:{await upload(store)}"}}
    first = await web.post("/api/jobs", json=body, headers={"Idempotency-Key": "one"})
    await store.redis.delete(*await store.redis.keys("tidings:upload*"))
    again = await web.post("/api/jobs", json=body, headers={"Idempotency-Key": "one"})
    assert (again.status_code, again.headers["idempotency-replayed"]) == (202, "true")
    assert again.json() == first.json()
    for key in ({}, {"Idempotency-Key": "two"}):
        assert_problem(await web.post("/api/jobs", json=body, headers=key), 422, "unknown_input")
    other = body | {"priority": 1}
    assert_problem(await web.post("/api/jobs", json=other, headers={"Idempotency-Key": "one"}), 422, "unknown_input")
