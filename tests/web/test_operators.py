"""An operator: who has the scope `admin` sees the jobs of all owners, by name where lists are concerned."""

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest

from app.auth import Scope
from app.settings import Settings
from app.store import BatchStore, KeyStore, Order
from tests.ground import submission
from tests.web.conftest import Store, assert_problem, client_of
from tests.web.test_websocket import asked, socket

BATCH = "abcdefghijklmnopqrstuvwx22"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"auth": "keys"})


@pytest.fixture
async def key(store: Store) -> str:
    _, text = await KeyStore(store.redis).create("ops", list(Scope))
    return text


@pytest.fixture
async def web(address: str, key: str) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(address) as client:
        client.headers["Authorization"] = f"Bearer {key}"
        yield client


async def listed(web: httpx.AsyncClient, **params: str) -> list[str]:
    """Page after page, to the last."""
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (await web.get("/api/jobs", params=params | {"cursor": cursor})).json()
        found += [job["job_id"] for job in page["jobs"]]
        cursor = page["next_cursor"]
    return found


async def listening(store: Store, *owners: str) -> int:
    """How many of these owners' feeds are listened to."""
    pairs = await store.redis.pubsub_numsub(*(f"tidings:feed:{owner}" for owner in owners))
    return sum(count for _, count in pairs)


async def test_a_list_is_of_oneself_of_another_or_of_all(web: httpx.AsyncClient, store: Store) -> None:
    ids = [(await store.submitted(owner=owner)).job_id for owner in ("ops", "ann", "bob", "ann")]
    assert await listed(web) == ids[:1]
    assert set(await listed(web, owner="ann")) == {ids[1], ids[3]}
    assert set(await listed(web, owner="*")) == set(ids)
    assert set(await listed(web, owner="*", limit="1")) == set(ids)
    assert await listed(web, owner="*", q=ids[2]) == [ids[2]]
    assert await listed(web, owner="nobody") == []
    assert_problem(await web.get("/api/jobs?owner=a:b"), 400, "invalid_request")


async def test_a_job_of_another_is_there_to_look_at_and_to_be_handled(web: httpx.AsyncClient, store: Store) -> None:
    run = await store.completed({"x": 1}, owner="ann")
    job = (await web.get(f"/api/jobs/{run.job_id}")).json()
    assert (job["owner"], job["status"]) == ("ann", "completed")
    assert (await web.get(f"/api/jobs/{run.job_id}/result")).json() == {"x": 1}
    log = await web.get(f"/api/jobs/{run.job_id}/events", headers={"Accept": "application/json"})
    assert log.json()["events"][-1]["type"] == "completed"
    pending = await store.submitted(owner="ann")
    cancelled = (await web.post(f"/api/jobs/{pending.job_id}/cancel")).json()
    assert (cancelled["status"], cancelled["owner"]) == ("cancelled", "ann")
    assert (await web.post(f"/api/jobs/{pending.job_id}/retry")).json()["owner"] == "ann"
    assert (await web.delete(f"/api/jobs/{run.job_id}")).status_code == 200
    assert_problem(await web.get(f"/api/jobs/{run.job_id}"), 404, "unknown_job")


async def test_a_batch_of_another_is_there_too(web: httpx.AsyncClient, store: Store) -> None:
    batches, one = BatchStore(store.redis), submission(owner="ann", kind="anything")
    await batches.accept(Order(BATCH, "ann", [one]))
    await batches.work(BATCH)
    assert (await web.get(f"/api/batches/{BATCH}")).json()["owner"] == "ann"
    assert (await web.post(f"/api/batches/{BATCH}/cancel")).json()["cancel_requested_at"]
    await batches.work(BATCH)
    log = await web.get(f"/api/jobs/{one.job_id}/events", headers={"Accept": "application/json"})
    assert log.json()["events"][-1]["data"] == {"by": "ops", "stage": "pending"}


async def test_the_feed_of_all_tells_of_owners_that_come_later(
    web: httpx.AsyncClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.hub.overview.LOOK_SECONDS", 0.05)
    active = await store.submitted(owner="ann")
    async with asyncio.timeout(20), web.stream("GET", "/api/events", params={"owner": "*"}) as response:
        lines, heard = response.aiter_lines(), ""
        while active.job_id not in heard:
            heard += await anext(lines)
        later = await store.submitted(owner="newcomer")
        while later.job_id not in heard:
            heard += await anext(lines)


async def test_the_feed_of_all_leaves_owners_that_have_no_jobs(
    web: httpx.AsyncClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.hub.overview.LOOK_SECONDS", 0.05)
    for owner in ("ann", "bob"):
        await store.submitted(owner=owner)
    async with asyncio.timeout(20), web.stream("GET", "/api/events", params={"owner": "*"}):
        assert await listening(store, "ann", "bob") == 2
        await store.redis.zrem("tidings:owners", "ann")
        while await listening(store, "ann"):
            await asyncio.sleep(0.01)
        assert await listening(store, "bob") == 1


async def test_a_feed_of_another_tells_of_no_third(web: httpx.AsyncClient, store: Store) -> None:
    async with asyncio.timeout(20), web.stream("GET", "/api/events", params={"owner": "ann"}) as response:
        assert response.status_code == 200
        lines, heard = response.aiter_lines(), ""
        other = await store.submitted(owner="bob")
        own = await store.submitted(owner="ops")
        theirs = await store.submitted(owner="ann")
        while theirs.job_id not in heard:
            heard += await anext(lines)
    assert other.job_id not in heard
    assert own.job_id not in heard


async def test_over_a_socket_an_operator_follows_everybody_until_it_is_none(
    address: str, store: Store, key: str
) -> None:
    active = await store.submitted(owner="ann")
    headers = {"Authorization": f"Bearer {key}"}
    async with asyncio.timeout(20), socket(address, "/api/ws", additional_headers=headers) as connection:
        assert (await asked(connection, op="subscribe", feed=True, filter={"owner": "*"}))["op"] == "subscribed"
        assert active.job_id in str(await connection.recv())
        assert (await asked(connection, op="subscribe", job_id=active.job_id))["op"] == "subscribed"
        _, lesser = await KeyStore(store.redis).create("ops", [Scope.READ])
        await connection.send(json.dumps({"op": "auth", "token": lesser}))
        heard = ""
        while '"authenticated"' not in heard:
            heard += str(await connection.recv())
        assert heard.count('"reason":"forbidden"') == 2
        assert (await asked(connection, op="subscribe", job_id=active.job_id))["code"] == "unknown_job"


async def test_who_only_reads_changes_nothing_of_others(address: str, store: Store) -> None:
    _, text = await KeyStore(store.redis).create("ops", [Scope.READ, Scope.ADMIN])
    job = await store.submitted(owner="ann")
    async with client_of(address) as web:
        web.headers["Authorization"] = f"Bearer {text}"
        assert (await web.get(f"/api/jobs/{job.job_id}")).status_code == 200
        assert_problem(await web.post(f"/api/jobs/{job.job_id}/cancel"), 403, "forbidden")


async def test_what_an_operator_makes_for_a_browser_reaches_its_own_alone(
    web: httpx.AsyncClient, address: str, store: Store
) -> None:
    job = await store.submitted(owner="ann")
    made = await web.post("/api/tokens", json={"scope": "cancel", "feed": True})
    async with client_of(address) as page:
        page.headers["Authorization"] = f"Bearer {made.json()['token']}"
        assert_problem(await page.get(f"/api/jobs/{job.job_id}"), 404, "unknown_job")
        assert_problem(await page.get("/api/jobs?owner=*"), 403, "forbidden")


async def test_for_everybodys_it_makes_one_that_reaches_these(
    web: httpx.AsyncClient, address: str, store: Store
) -> None:
    job = await store.submitted(owner="ann")
    made = await web.post("/api/tokens", json={"scope": "read", "feed": True, "owner": "*"})
    async with client_of(address) as page:
        page.headers["Authorization"] = f"Bearer {made.json()['token']}"
        assert (await page.get(f"/api/jobs/{job.job_id}")).json()["owner"] == "ann"
        assert await listed(page, owner="*") == await listed(page, owner="ann") == [job.job_id]
        async with asyncio.timeout(20), page.stream("GET", "/api/events", params={"owner": "*"}) as response:
            assert response.status_code == 200
        assert_problem(await page.post(f"/api/jobs/{job.job_id}/cancel"), 403, "forbidden")
        assert_problem(await page.get("/api/workers"), 403, "forbidden")


@pytest.mark.parametrize("scopes", [[Scope.READ, Scope.CANCEL, Scope.SUBMIT], [Scope.SUBMIT, Scope.ADMIN]])
async def test_nobody_makes_such_a_token_who_does_not_read_everybodys(
    address: str, store: Store, scopes: list[Scope]
) -> None:
    _, text = await KeyStore(store.redis).create("ops", scopes)
    async with client_of(address) as web:
        web.headers["Authorization"] = f"Bearer {text}"
        wanted = {"scope": "read", "feed": True, "owner": "*"}
        assert_problem(await web.post("/api/tokens", json=wanted), 403, "forbidden")


async def test_a_token_is_not_of_one_other_owner(web: httpx.AsyncClient) -> None:
    wanted = {"scope": "read", "feed": True, "owner": "ann"}
    assert_problem(await web.post("/api/tokens", json=wanted), 422, "invalid_token")


async def test_nothing_is_left_when_the_operator_has_gone(web: httpx.AsyncClient, store: Store) -> None:
    for owner in ("ann", "bob"):
        await store.submitted(owner=owner)
    async with web.stream("GET", "/api/events", params={"owner": "*"}) as response:
        assert response.status_code == 200
        assert await listening(store, "ann", "bob") == 2
    async with asyncio.timeout(20):
        while await listening(store, "ann", "bob"):
            await asyncio.sleep(0.01)
