"""Webhooks by HTTP: asking for them, seeing what became of them, sending them again, and what signs them."""

from typing import Any

import httpx
import pytest
from jsonschema_rs import Draft202012Validator
from pydantic_core import from_json

from app.jobs import new_job_id
from app.main import create_app
from app.settings import Settings
from app.store import BatchStore, DeliveryStore, Due, Order, Outcome
from app.webhooks import is_webhook_secret
from tests.ground import submission
from tests.web.conftest import Store, assert_problem, calling

HOOK = "https://receiver.example/hook?token=x"


@pytest.fixture
def deliveries(store: Store) -> DeliveryStore:
    return DeliveryStore(store.redis)


async def submitted(web: httpx.AsyncClient, **fields: Any) -> str:
    response = await web.post("/api/jobs", json={"kind": "anything", "callback_url": HOOK} | fields)
    assert response.status_code == 202
    job_id: str = response.json()["job_id"]
    return job_id


async def due(deliveries: DeliveryStore) -> list[Due]:
    return list((await deliveries.claim("d", 100, lease_ms=60_000)).deliveries)


async def cancelled(web: httpx.AsyncClient, **fields: Any) -> str:
    job_id = await submitted(web, **fields)
    assert (await web.post(f"/api/jobs/{job_id}/cancel")).status_code == 200
    return job_id


async def test_the_end_is_told_with_the_object_a_poll_shows(web: httpx.AsyncClient, deliveries: DeliveryStore) -> None:
    job_id = await cancelled(web)
    (one,) = await due(deliveries)
    assert (one.url, one.event) == (HOOK, "cancelled")
    body, job = from_json(one.body), (await web.get(f"/api/jobs/{job_id}")).json()
    assert body == {"type": "job.cancelled", "timestamp": job["updated_at"], "data": job}


@pytest.mark.parametrize("event", ["progress", "log", "completed"])
async def test_what_is_sent_has_the_shape_that_is_described(
    web: httpx.AsyncClient, deliveries: DeliveryStore, store: Store, event: str
) -> None:
    run = await store.claimed(callback_url=HOOK, callback_events=(event,))
    await store.apply(run, "progress", {"percent": 5})
    await store.apply(run, "log", {"level": "info", "line": "l"})
    await store.apply(run, "completed", {"result": 1})
    (one,) = await due(deliveries)
    document = (await web.get("/openapi.json")).json()
    schema = document["webhooks"]["job"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    (sent,) = document["paths"]["/api/jobs"]["post"]["callbacks"]["job"].values()
    assert sent == document["webhooks"]["job"]
    Draft202012Validator(schema | {"components": document["components"]}).validate(from_json(one.body))


async def test_events_are_chosen_by_their_type(web: httpx.AsyncClient, deliveries: DeliveryStore) -> None:
    await cancelled(web, callback_events=["pending", "mine", "pending"])
    assert [one.event for one in await due(deliveries)] == ["pending"]


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"callback_url": "ftp://a.example/"}, "/callback_url"),
        ({"callback_url": "https://me:pw@a.example/"}, "/callback_url"),
        ({"callback_url": "https://a.example/#here"}, "/callback_url"),
        ({"callback_url": f"https://a.example/{2_048 * 'x'}"}, "/callback_url"),
        ({"callback_url": 5}, "/callback_url"),
        ({"callback_url": HOOK, "callback_events": []}, "/callback_events"),
        ({"callback_url": HOOK, "callback_events": ["completed", "snapshot"]}, "/callback_events/1"),
        ({"callback_url": HOOK, "callback_events": [f"e{n}" for n in range(21)]}, "/callback_events"),
        ({"callback_events": ["completed"]}, "/callback_events"),
    ],
)
async def test_what_cannot_be_called_back_is_refused(
    web: httpx.AsyncClient, store: Store, fields: dict[str, Any], pointer: str
) -> None:
    for path, at, code, body in (
        ("/api/jobs", "", "invalid_job", {"kind": "anything"} | fields),
        ("/api/batches", "/jobs/0", "invalid_job", {"jobs": [{"kind": "anything"} | fields]}),
    ):
        problem = assert_problem(await web.post(path, json=body), 422, code)
        assert [error["pointer"] for error in problem["errors"]] == [at + pointer]
    assert not await store.queued()


async def test_a_port_the_operator_does_not_allow_is_refused(store: Store, settings: Settings) -> None:
    await store.kinds.announce([])
    async with calling(create_app(settings.model_copy(update={"webhook_ports": (443,)}))) as web:
        for path, body in (("/api/jobs", {"kind": "k"}), ("/api/batches", {"jobs": [{"kind": "k"}]})):
            response = await web.post(path, json=body | {"callback_url": "https://a.example:8443/"})
            (error,) = response.json()["errors"]
            assert error["pointer"] == "/callback_url"


async def test_a_batch_is_told_of_whole(web: httpx.AsyncClient, deliveries: DeliveryStore, store: Store) -> None:
    body = {"jobs": [{"kind": "anything"}, {"kind": "anything"}], "callback_url": HOOK}
    batch = (await web.post("/api/batches", json=body)).json()
    assert (await web.post(batch["links"]["cancel"])).status_code in {200, 202}
    found: list[Due] = []
    while not found:
        found = await due(deliveries)
    assert [one.event for one in found] == ["batch.completed"]
    told, shown = from_json(found[0].body)["data"], (await web.get(batch["links"]["self"])).json()
    later = {"seq", "updated_at"}  # the command that cancels them ends after they have
    assert {name: told[name] for name in told if name not in later} == {
        name: shown[name] for name in shown if name not in later
    }
    below = f"{batch['links']['self']}/deliveries"
    (listed,) = (await web.get(below)).json()["deliveries"]
    assert (listed["event"], listed["webhook_id"]) == ("batch.completed", found[0].webhook_id)
    await deliveries.settle(found[0], Outcome("delivered", 0, 1, 200))
    assert (await web.post(f"{below}/1/redeliver")).status_code == 202
    assert [one.body for one in await due(deliveries)] == [found[0].body]


async def test_a_batch_that_tells_another_is_another_request(web: httpx.AsyncClient) -> None:
    key, body = {"Idempotency-Key": "k"}, {"jobs": [{"kind": "anything"}]}
    assert (await web.post("/api/batches", json=body, headers=key)).status_code == 202
    response = await web.post("/api/batches", json=body | {"callback_url": HOOK}, headers=key)
    assert_problem(response, 422, "idempotency_conflict")


async def test_attempts_are_listed(web: httpx.AsyncClient, deliveries: DeliveryStore) -> None:
    job_id = await cancelled(web, callback_events=["pending", "cancelled"])
    first, _ = await due(deliveries)
    outcome = Outcome("retrying", first.claimed_at, 7, 503, "HTTP 503", "busy", retry_in_ms=60_000)
    await deliveries.settle(first, outcome)
    page = (await web.get(f"/api/jobs/{job_id}/deliveries?limit=1")).json()
    assert page["next_cursor"] == "2"
    assert page["deliveries"] == [
        {
            "n": 2,
            "event": "cancelled",
            "webhook_id": f"{job_id}-2",
            "url": HOOK,
            "status": "sending",
            "attempt": 0,
            "attempts": [],
        }
    ]
    page = (await web.get(f"/api/jobs/{job_id}/deliveries?cursor=2")).json()
    (one,) = page["deliveries"]
    assert page["next_cursor"] is None
    assert (one["status"], one["attempt"], one["http_status"], one["error"]) == ("retrying", 1, 503, "HTTP 503")
    assert one["response_excerpt"] == one["attempts"][0]["response_excerpt"] == "busy"
    assert one["next_at"] > one["started_at"]


async def test_a_job_that_tells_nobody_has_no_deliveries(web: httpx.AsyncClient, store: Store) -> None:
    job = await store.submitted()
    page = (await web.get(f"/api/jobs/{job.job_id}/deliveries")).json()
    assert page == {"deliveries": [], "next_cursor": None}


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "cursor=x", "cursor=1234567890", "other=1"])
async def test_a_page_that_there_cannot_be_is_refused(web: httpx.AsyncClient, query: str) -> None:
    job_id = await submitted(web)
    assert_problem(await web.get(f"/api/jobs/{job_id}/deliveries?{query}"), 400, "invalid_request")


async def test_a_webhook_is_sent_again(web: httpx.AsyncClient, deliveries: DeliveryStore) -> None:
    job_id = await cancelled(web)
    (first,) = await due(deliveries)
    await deliveries.settle(first, Outcome("delivered", first.claimed_at, 7, 200))
    response = await web.post(f"/api/jobs/{job_id}/deliveries/1/redeliver")
    assert (response.status_code, response.json()) == (202, {"redelivered": 1, "more": False})
    (again,) = await due(deliveries)
    assert (again.webhook_id, again.body) == (first.webhook_id, first.body)


@pytest.mark.parametrize("n", ["0", "2", "-1", "x", "1234567890", "²"])
async def test_a_webhook_there_is_not_cannot_be_sent_again(web: httpx.AsyncClient, n: str) -> None:
    job_id = await cancelled(web)
    assert_problem(await web.post(f"/api/jobs/{job_id}/deliveries/{n}/redeliver"), 404, "unknown_delivery")


async def test_all_failed_ones_are_sent_again(web: httpx.AsyncClient, deliveries: DeliveryStore) -> None:
    job_ids = {await cancelled(web) for _ in range(3)}
    await deliveries.settle_many(
        [(one, Outcome("failed", one.claimed_at, 1, 404, "HTTP 404")) for one in await due(deliveries)]
    )
    response = await web.post("/api/deliveries/redeliver")
    assert (response.status_code, response.json()) == (202, {"redelivered": 3, "more": False})
    assert {one.job_id for one in await due(deliveries)} == job_ids


async def test_anothers_webhooks_are_unknown(web: httpx.AsyncClient, store: Store) -> None:
    run = await store.completed(owner="other", callback_url=HOOK, callback_events=("completed",))
    assert_problem(await web.get(f"/api/jobs/{run.job_id}/deliveries"), 404, "unknown_job")
    assert_problem(await web.post(f"/api/jobs/{run.job_id}/deliveries/1/redeliver"), 404, "unknown_job")
    order = Order(new_job_id(), "other", [submission()])
    await BatchStore(store.redis).accept(order)
    assert_problem(await web.get(f"/api/batches/{order.batch_id}/deliveries"), 404, "unknown_batch")
    assert_problem(await web.post("/api/batches/x/deliveries/1/redeliver"), 404, "unknown_batch")


async def test_a_secret_is_shown_when_it_is_created_and_never_again(web: httpx.AsyncClient) -> None:
    (made,) = (await web.get("/api/webhooks/secrets")).json()["secrets"]
    assert is_webhook_secret(made["secret"]), "nobody else could know it"
    response = await web.post("/api/webhooks/secrets")
    created = response.json()
    assert response.status_code == 201
    assert is_webhook_secret(created.pop("secret"))
    listed = await web.get("/api/webhooks/secrets")
    assert listed.headers["cache-control"] == response.headers["cache-control"] == "no-store"
    assert sorted(listed.json()["secrets"], key=len) == [created, made]
    assert (await web.delete(f"/api/webhooks/secrets/{made['secret_id']}")).status_code == 204
    assert (await web.get("/api/webhooks/secrets")).json() == {"secrets": [created]}
    assert_problem(await web.delete(f"/api/webhooks/secrets/{made['secret_id']}"), 404, "unknown_secret")


async def test_there_are_ten_secrets_at_most(web: httpx.AsyncClient) -> None:
    for _ in range(10):
        assert (await web.post("/api/webhooks/secrets")).status_code == 201
    assert_problem(await web.post("/api/webhooks/secrets"), 409, "too_many_secrets")
