"""The doors for outside systems: what each callback is answered, and what of it is kept."""

from typing import Any

import httpx
import pytest

from app.callbacks import token_of
from app.settings import Settings
from app.store import Run, Secret
from tests.web.conftest import Store, assert_problem

WAITING = {"for": "callback", "deadline": "@"}


@pytest.fixture
async def secret(store: Store) -> bytes:
    return await Secret(store.redis).value()


async def waiting(store: Store, spans: str = "60000") -> Run:
    run = await store.claimed()
    await store.apply(run, "waiting", WAITING, spans)
    return run


async def resumed(store: Store) -> Run:
    claims = await store.jobs.claim("w1", ["default"], 9, lease_ms=60_000, kinds=["anything"])
    (run,) = claims.runs
    return run


def url_of(secret: bytes, run: Run, wait: int = 0) -> str:
    return f"/api/callbacks/{token_of(secret, run.job_id, wait)}"


def outcome(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["outcome"]


@pytest.mark.parametrize("body", [b'{"paid": 5}', b"[]", b"null", b"0", b'""', '"ü"'.encode()])
async def test_any_json_is_an_answer(web: httpx.AsyncClient, store: Store, secret: bytes, body: bytes) -> None:
    run = await waiting(store)
    headers = {"Content-Type": "application/json; charset=utf-8"}
    assert outcome(await web.post(url_of(secret, run), content=body, headers=headers)) == (202, "accepted")
    answer = (await resumed(store)).answer
    assert answer
    assert (answer.fails, answer.body) == (False, body)


async def test_each_further_callback_has_its_answer(web: httpx.AsyncClient, store: Store, secret: bytes) -> None:
    run = await store.claimed()
    url = url_of(secret, run)
    assert outcome(await web.post(url, json={"a": 1, "b": 2})) == (202, "early")
    assert outcome(await web.post(url, json={"b": 2, "a": 1})) == (200, "duplicate")
    assert_problem(await web.post(url, json={"a": 2}), 409, "callback_conflict")
    assert_problem(await web.post(f"{url}/fail", json={"message": "x"}), 409, "callback_conflict")
    await store.apply(run, "waiting", WAITING, "60000")
    run = await resumed(store)
    assert outcome(await web.post(url, json={"a": 1, "b": 2})) == (200, "duplicate")
    assert_problem(await web.post(f"{url}/heartbeat"), 410, "callback_over")
    await store.apply(run, "completed", {})
    assert outcome(await web.post(url, json={"a": 1, "b": 2})) == (200, "duplicate")
    assert_problem(await web.post(url_of(secret, run, 1), json={}), 410, "callback_over")
    assert_problem(await web.post(f"{url_of(secret, run, 1)}/progress", json={"percent": 1}), 410, "callback_over")


async def test_what_was_found_by_asking_is_known(web: httpx.AsyncClient, store: Store, secret: bytes) -> None:
    run = await waiting(store, "60000 0 1")

    async def look() -> Run:
        await store.jobs.settle_overdue()
        return await resumed(store)

    await store.redis.zadd("tidings:deadlines", {run.job_id: 1})
    looking = await look()
    assert looking.looks
    await store.apply(looking, "pending", {}, 'answered {"paid":5}')
    assert outcome(await web.post(url_of(secret, run), json={"paid": 6})) == (200, "reconciled")


async def test_an_outside_system_may_say_that_it_failed(web: httpx.AsyncClient, store: Store, secret: bytes) -> None:
    run = await waiting(store)
    url = f"{url_of(secret, run)}/fail"
    assert outcome(await web.post(url, json={"message": "declined", "code": "no_money"})) == (202, "accepted")
    assert outcome(await web.post(url, json={"code": "no_money", "message": "declined"})) == (200, "duplicate")
    assert_problem(await web.post(url, json={"message": "declined"}), 409, "callback_conflict")
    answer = (await resumed(store)).answer
    assert answer
    assert (answer.fails, answer.value) == (True, {"message": "declined", "code": "no_money"})


async def test_progress_from_outside_is_the_jobs(web: httpx.AsyncClient, store: Store, secret: bytes) -> None:
    run = await waiting(store, "60000 30000")
    url = url_of(secret, run)
    assert outcome(await web.post(f"{url}/progress", json={"percent": 40, "message": "printing"})) == (202, "accepted")
    assert outcome(await web.post(f"{url}/heartbeat")) == (202, "accepted")
    job = (await web.get(f"/api/jobs/{run.job_id}")).json()
    assert (job["progress"], job["waiting_for"]) == ({"percent": 40.0, "message": "printing"}, "callback")


@pytest.mark.parametrize(
    ("door", "body", "pointer"),
    [
        ("fail", {}, "/message"),
        ("fail", {"message": ""}, "/message"),
        ("fail", {"message": "x" * 2_001}, "/message"),
        ("fail", {"message": "x", "code": "No"}, "/code"),
        ("fail", {"message": "x", "more": 1}, "/more"),
        ("progress", {}, "/percent"),
        ("progress", {"percent": 101}, "/percent"),
        ("progress", {"percent": "1"}, "/percent"),
        ("progress", {"percent": 1, "message": "x" * 501}, "/message"),
    ],
)
async def test_what_does_not_fit_is_told(
    web: httpx.AsyncClient, store: Store, secret: bytes, door: str, body: dict[str, Any], pointer: str
) -> None:
    run = await waiting(store)
    problem = assert_problem(await web.post(f"{url_of(secret, run)}/{door}", json=body), 400, "invalid_request")
    assert [misfit["pointer"] for misfit in problem["errors"]] == [pointer]
    assert (await store.jobs.read(run.job_id)).job.waiting_for == "callback"  # type: ignore[union-attr]


@pytest.mark.parametrize("below", ["", "/fail", "/progress", "/heartbeat"])
@pytest.mark.parametrize("token", ["x", "{id}", "{id}.0.x", "%00", "x" * 5_000])
async def test_a_forged_token_is_unknown_whatever_comes_with_it(
    web: httpx.AsyncClient, store: Store, token: str, below: str
) -> None:
    run = await waiting(store)
    url = f"/api/callbacks/{token.format(id=run.job_id)}{below}"
    assert_problem(await web.post(url, content=b"no json"), 404, "unknown_callback")


async def test_a_token_of_a_job_that_is_gone_is_unknown(web: httpx.AsyncClient, store: Store, secret: bytes) -> None:
    run = await store.completed()
    await store.jobs.purge(run.job_id)
    assert_problem(await web.post(url_of(secret, run), json={}), 404, "unknown_callback")


async def test_the_body_is_json_within_bounds(
    web: httpx.AsyncClient, store: Store, secret: bytes, settings: Settings
) -> None:
    url = url_of(secret, await waiting(store))
    json = {"Content-Type": "application/json"}
    assert_problem(await web.post(url, content=b"{", headers=json), 400, "invalid_json")
    assert_problem(await web.post(url, content=b"", headers=json), 400, "invalid_json")
    assert_problem(await web.post(url, content=b"[" * 40 + b"]" * 40, headers=json), 400, "invalid_json")
    assert_problem(await web.post(url, data={"paid": "5"}), 415, "unsupported_media_type")
    large = b'"' + b"x" * settings.max_callback_bytes + b'"'
    assert_problem(await web.post(url, content=large, headers=json), 413, "body_too_large")
    assert outcome(await web.post(url, content=large[:-100] + b'"', headers=json)) == (202, "accepted")


async def test_headers_that_may_tell_who_sent_it_are_kept_within_a_bound(
    web: httpx.AsyncClient, store: Store, secret: bytes
) -> None:
    sent = {"X-Bank": "b", "Webhook-Id": "1", "Stripe-Signature": "s", "Authorization": "a", "X-Large": "x" * 5_000}
    run = await waiting(store)
    await web.post(url_of(secret, run), json={}, headers=sent)
    answer = (await resumed(store)).answer
    assert answer
    assert answer.headers == '{"x-bank":"b","webhook-id":"1","stripe-signature":"s"}'
