"""Streams and sockets of those who are asked: how they begin, end with their credential, and go on with a fresh one."""

import asyncio
import json
import time
from typing import Any

import httpx
import pytest

from app.auth import Scope
from app.limits import Bounds
from app.settings import Settings
from app.store import KeyStore
from tests.web.conftest import Store, assert_problem
from tests.web.test_sse import blocks, stream
from tests.web.test_tokens import shown, token
from tests.web.test_websocket import asked, socket, to_the_end, told


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"auth": "keys"})


def key_of(headers: dict[str, str]) -> str:
    return headers["Authorization"].removeprefix("Bearer ")


@pytest.fixture
def attentive(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is looked up every other second is looked up all the time."""
    monkeypatch.setattr("app.auth.revocations.LOOK_SECONDS", 0.01)


# Server-Sent Events


async def test_a_stream_ends_at_its_tokens_expiry_and_goes_on_with_a_fresh_one_without_a_gap(
    web: httpx.AsyncClient, ann: dict[str, str], store: Store
) -> None:
    run = await store.claimed(owner="ann")
    path, seen = f"/api/jobs/{run.job_id}/events", [0]
    for percent in (10, 20):
        short = await token(web, ann, scope="read", jobs=[run.job_id], ttl_seconds=3)
        await store.apply(run, "log", {"level": "info", "line": str(percent)})
        async with stream(web, f"{path}?access_token={short}&after={seen[-1]}") as response:
            assert response.status_code == 200
            seen += [int(block.id) async for block in blocks(response) if block.id]
        await store.apply(run, "log", {"level": "info", "line": "between two streams"})
    await store.apply(run, "completed", {"result": None})
    fresh = await token(web, ann, scope="read", jobs=[run.job_id])
    async with stream(web, f"{path}?access_token={fresh}&after={seen[-1]}") as response:
        seen += [int(block.id) async for block in blocks(response) if block.id]
    assert seen == list(range(8))


async def test_a_token_that_has_expired_does_not_begin_a_stream(
    web: httpx.AsyncClient, ann: dict[str, str], store: Store
) -> None:
    job = await store.submitted(owner="ann")
    path = f"/api/jobs/{job.job_id}/events?access_token={await token(web, ann, scope='read', feed=True, ttl_seconds=3)}"
    async with stream(web, path) as response:
        assert [block async for block in blocks(response)]
    deadline = time.monotonic() + 10
    while (response := await web.get(path)).status_code == 200:
        assert time.monotonic() < deadline
    assert_problem(response, 401, "unauthenticated")


async def test_what_is_replayed_is_looked_at_again(web: httpx.AsyncClient, ann: dict[str, str], store: Store) -> None:
    mine, other = await store.claimed(owner="ann"), await store.claimed(owner="ann", tags=("other",))
    for scope in ({"jobs": [mine.job_id]}, {"tag": "mine"}):
        text = await token(web, ann, scope="read", **scope)
        for accept in ("text/event-stream", "application/json", "text/plain"):
            headers = shown(text) | {"Accept": accept, "Last-Event-ID": "0"}
            assert_problem(await web.get(f"/api/jobs/{other.job_id}/events", headers=headers), 404, "unknown_job")


async def test_a_tokens_feed_tells_what_it_reaches(web: httpx.AsyncClient, ann: dict[str, str], store: Store) -> None:
    text = await token(web, ann, scope="read", tag="red")
    red = await store.submitted(owner="ann", tags=("red",))
    await store.submitted(owner="ann", tags=("blue",))
    async with stream(web, f"/api/events?access_token={text}") as response:
        reading = blocks(response)
        await anext(reading)
        first = await anext(reading)
        await store.submitted(owner="ann", tags=("blue",))
        later = await store.submitted(owner="ann", tags=("red", "blue"))
        second = await anext(reading)
    assert [first.event["job_id"], second.event["job_id"]] == [red.job_id, later.job_id]


async def test_a_revoked_keys_streams_end_within_seconds_and_those_of_its_tokens(
    web: httpx.AsyncClient, address: str, keys: KeyStore, store: Store, attentive: None
) -> None:
    key, text = await keys.create("ann", [Scope.READ])
    _, other = await keys.create("ann", [Scope.READ])
    made = await token(web, shown(text), scope="read", feed=True)
    job = await store.submitted(owner="ann")
    path = f"/api/jobs/{job.job_id}"
    async with (
        stream(web, f"{path}/events", **shown(text)) as by_key,
        stream(web, f"{path}/events?access_token={made}") as by_token,
        stream(web, f"{path}/events", **shown(other)) as untouched,
        socket(address, f"{path}/ws", additional_headers=shown(text)) as connection,
    ):
        await told(connection, 1)
        await keys.revoke(key.key_id)
        assert [block.type async for block in blocks(by_key)][-1] == "snapshot"
        assert [block.type async for block in blocks(by_token)][-1] == "snapshot"
        assert (await to_the_end(connection))[1] == 4401
        await store.jobs.cancel(job.job_id, "ann")
        assert [block.type async for block in blocks(untouched)][-1] == "cancelled"


async def test_the_streams_of_a_key_are_bounded(web: httpx.AsyncClient, keys: KeyStore, store: Store) -> None:
    _, text = await keys.create("ann", [Scope.READ], Bounds(most_streams=1))
    job = await store.submitted(owner="ann")
    path = f"/api/jobs/{job.job_id}/events"
    async with stream(web, path, **shown(text)) as first:
        assert first.status_code == 200
        async with stream(web, path, **shown(text)) as second:
            (only,) = [block async for block in blocks(second)]
            assert list(only.fields) == ["retry"]


# WebSockets


@pytest.mark.parametrize("way", ["header", "url", "frame"])
async def test_a_socket_is_told_who_is_there_in_its_handshake_or_first_frame(
    address: str, ann: dict[str, str], store: Store, way: str
) -> None:
    job = await store.submitted(owner="ann")
    path = f"/api/jobs/{job.job_id}/ws" + (f"?access_token={key_of(ann)}" if way == "url" else "")
    async with socket(address, path, additional_headers=ann if way == "header" else {}) as connection:
        if way == "frame":
            answer = await asked(connection, op="auth", token=key_of(ann), ref=7)
            assert answer == {"op": "authenticated", "ref": 7, "expires_at": None}
        (first,) = await told(connection, 1)
        assert first["type"] == "snapshot"


@pytest.mark.parametrize("path", ["/api/ws", f"/api/jobs/{'a' * 26}/ws"])
@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ('{"op":"ping"}', 4401),
        ('{"op":"auth","token":"tdg_x"}', 4401),
        ('{"op":"auth"}', 4400),
        ('{"op":"auth","token":7}', 4400),
        ("no json", 4400),
        (b"\x00", 4400),
    ],
)
async def test_a_first_frame_that_tells_nobody_closes_the_socket(
    address: str, path: str, frame: str | bytes, code: int
) -> None:
    async with socket(address, path) as connection:
        await connection.send(frame)
        assert await to_the_end(connection) == ([], code)


async def test_who_says_nothing_is_closed_in_good_time(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.web.introduction.AUTH_SECONDS", 0.05)
    async with socket(address, "/api/ws") as connection:
        assert await to_the_end(connection) == ([], 4401)


@pytest.mark.parametrize("way", ["header", "url"])
async def test_a_wrong_credential_is_closed_with_4401_and_a_small_one_with_4403(
    address: str, keys: KeyStore, way: str
) -> None:
    _, small = await keys.create("ann", [Scope.SUBMIT])
    for text, code in (("tdg_x", 4401), (small, 4403)):
        path = f"/api/ws?access_token={text}" if way == "url" else "/api/ws"
        async with socket(address, path, additional_headers=shown(text) if way == "header" else {}) as connection:
            assert await to_the_end(connection) == ([], code)


async def test_a_socket_is_closed_when_its_token_expires(
    web: httpx.AsyncClient, address: str, ann: dict[str, str]
) -> None:
    text = await token(web, ann, scope="read", feed=True, ttl_seconds=3)
    async with socket(address, f"/api/ws?access_token={text}") as connection:
        assert await asked(connection, op="ping") == {"op": "pong"}
        assert await to_the_end(connection) == ([], 4401)


async def test_a_socket_goes_on_with_a_fresh_token(
    web: httpx.AsyncClient, address: str, ann: dict[str, str], store: Store
) -> None:
    run = await store.claimed(owner="ann")
    short = await token(web, ann, scope="read", jobs=[run.job_id], ttl_seconds=3)
    async with socket(address, f"/api/ws?access_token={short}") as connection:
        await connection.send(json.dumps({"op": "subscribe", "job_id": run.job_id}))
        await told(connection, 2)
        fresh = await token(web, ann, scope="read", jobs=[run.job_id])
        answer = await asked(connection, op="auth", token=fresh)
        assert answer["op"] == "authenticated"
        while (await web.get(f"/api/jobs/{run.job_id}", headers=shown(short))).status_code != 401:
            await asyncio.sleep(0.01)
        await store.apply(run, "progress", {"percent": 5})
        (event,) = await told(connection, 1)
        assert event["type"] == "progress"


async def test_a_fresh_token_that_reaches_less_ends_what_it_does_not_reach(
    web: httpx.AsyncClient, address: str, ann: dict[str, str], store: Store
) -> None:
    kept, dropped = await store.submitted(owner="ann"), await store.submitted(owner="ann")
    async with socket(address, "/api/ws", additional_headers=ann) as connection:
        for job in (kept, dropped):
            await connection.send(json.dumps({"op": "subscribe", "job_id": job.job_id}))
            await told(connection, 2)
        less = await token(web, ann, scope="read", jobs=[kept.job_id])
        await connection.send(json.dumps({"op": "auth", "token": less}))
        first, second = await told(connection, 2)
        assert first == {"op": "unsubscribed", "job_id": dropped.job_id, "reason": "forbidden"}
        assert second["op"] == "authenticated"
        refused = await asked(connection, op="subscribe", job_id=dropped.job_id)
        assert (refused["op"], refused["code"]) == ("error", "unknown_job")
        refused = await asked(connection, op="subscribe", feed=True)
        assert (refused["op"], refused["code"]) == ("error", "forbidden")


@pytest.mark.parametrize("whose", ["nobody's", "another's", "small"])
async def test_a_socket_is_not_taken_over_and_a_wrong_token_changes_nothing(
    address: str, ann: dict[str, str], keys: KeyStore, whose: str
) -> None:
    texts = {
        "nobody's": "tdg_x",
        "another's": (await keys.create("bob", list(Scope)))[1],
        "small": (await keys.create("ann", [Scope.SUBMIT]))[1],
    }
    async with socket(address, "/api/ws", additional_headers=ann) as connection:
        refused = await asked(connection, op="auth", token=texts[whose])
        assert (refused["op"], refused["code"]) in {("error", "unauthenticated"), ("error", "forbidden")}
        assert await asked(connection, op="ping") == {"op": "pong"}


async def test_a_socket_cancels_only_with_that_scope(
    web: httpx.AsyncClient, address: str, ann: dict[str, str], store: Store
) -> None:
    job = await store.submitted(owner="ann")
    frame: dict[str, Any] = {"op": "cancel", "job_id": job.job_id}
    reads, cancels = [await token(web, ann, scope=scope, jobs=[job.job_id]) for scope in ("read", "cancel")]
    async with socket(address, f"/api/ws?access_token={reads}") as connection:
        assert (await asked(connection, **frame))["code"] == "forbidden"
    async with socket(address, f"/api/ws?access_token={cancels}") as connection:
        assert (await asked(connection, **frame))["op"] == "cancelling"
