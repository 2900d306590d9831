import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from app.auth import OPEN
from app.hub import LINES, Close, Writer
from app.jobs import new_job_id
from app.web.multiplex import Session
from tests.web.conftest import Store


@asynccontextmanager
async def socket(address: str, path: str, **options: Any) -> AsyncIterator[ClientConnection]:
    async with asyncio.timeout(30), connect(address.replace("http", "ws", 1) + path, **options) as connection:
        yield connection


async def told(connection: ClientConnection, count: int) -> list[dict[str, Any]]:
    """The next so many objects; a frame may hold several."""
    found: list[dict[str, Any]] = []
    while len(found) < count:
        frame = await connection.recv()
        assert isinstance(frame, str)
        found += map(json.loads, frame.split("\n"))
    assert len(found) == count
    return found


async def to_the_end(connection: ClientConnection) -> tuple[list[dict[str, Any]], int | None]:
    found: list[dict[str, Any]] = []
    try:
        while True:
            found += await told(connection, 1)
    except ConnectionClosed:
        return found, connection.close_code


async def asked(connection: ClientConnection, **frame: Any) -> dict[str, Any]:
    """A frame sent, and its answer."""
    await connection.send(json.dumps(frame))
    (answer,) = await told(connection, 1)
    return answer


async def test_one_jobs_socket_tells_what_its_sse_stream_tells(address: str, store: Store) -> None:
    run = await store.claimed()
    async with socket(address, f"/api/jobs/{run.job_id}/ws") as connection:
        (first,) = await told(connection, 1)
        await store.apply(run, "progress", {"percent": 5})
        (second,) = await told(connection, 1)
        await store.apply(run, "completed", {"result": None})
        rest, code = await to_the_end(connection)
    assert (first["type"], first["seq"]) == ("snapshot", 2)
    assert (second["type"], second["seq"], second["data"]) == ("progress", 3, {"percent": 5})
    assert [event["type"] for event in rest] == ["completed"]
    assert code == 1000


async def test_a_socket_resumes_after_the_seq_it_names(address: str, store: Store) -> None:
    run = await store.completed()
    async with socket(address, f"/api/jobs/{run.job_id}/ws?after=1") as connection:
        events, code = [json.loads(line) for line in str(await connection.recv()).split("\n")], None
        _, code = await to_the_end(connection)
    assert [event["seq"] for event in events] == [2, 3]
    assert code == 1000


async def test_unknown_and_foreign_jobs_are_closed_with_4404(address: str, store: Store) -> None:
    foreign = await store.submitted(owner="another")
    for job_id in (foreign.job_id, new_job_id(), "x"):
        async with socket(address, f"/api/jobs/{job_id}/ws") as connection:
            assert await to_the_end(connection) == ([], 4404)


async def test_a_malformed_after_is_closed_with_4400(address: str, store: Store) -> None:
    job = await store.submitted()
    async with socket(address, f"/api/jobs/{job.job_id}/ws?after=soon") as connection:
        assert await to_the_end(connection) == ([], 4400)


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1.evil.example"])
async def test_a_foreign_origin_is_refused_at_the_handshake(address: str, origin: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with socket(address, "/api/ws", additional_headers={"Origin": origin}):
            pass
    assert refused.value.response.status_code == 403


async def test_our_own_page_may_open_sockets(address: str) -> None:
    async with socket(address, "/api/ws", additional_headers={"Origin": address}) as connection:
        assert await asked(connection, op="ping") == {"op": "pong"}


async def test_the_subprotocol_is_agreed_on_when_offered(address: str) -> None:
    async with socket(address, "/api/ws", subprotocols=["other", "tidings.v1"]) as connection:
        assert connection.subprotocol == "tidings.v1"
    async with socket(address, "/api/ws") as connection:
        assert connection.subprotocol is None


async def test_many_jobs_share_one_socket(address: str, store: Store) -> None:
    runs = [await store.claimed() for _ in range(3)]
    async with socket(address, "/api/ws") as connection:
        for n, run in enumerate(runs):
            await connection.send(json.dumps({"op": "subscribe", "job_id": run.job_id, "ref": n}))
            reply, first = await told(connection, 2)
            assert reply == {"op": "subscribed", "ref": n, "job_id": run.job_id}
            assert (first["type"], first["job_id"]) == ("snapshot", run.job_id)
        for run in runs:
            await store.apply(run, "log", {"level": "info", "line": "x"})
        assert {event["job_id"] for event in await told(connection, 3)} == {run.job_id for run in runs}


async def test_a_subscription_of_an_ended_job_ends_and_says_so(address: str, store: Store) -> None:
    run = await store.claimed()
    async with socket(address, "/api/ws") as connection:
        await connection.send(json.dumps({"op": "subscribe", "job_id": run.job_id, "after": 2}))
        assert (await told(connection, 1))[0]["op"] == "subscribed"
        await store.apply(run, "completed", {"result": None})
        end, left = await told(connection, 2)
        assert end["type"] == "completed"
        assert left == {"op": "unsubscribed", "job_id": run.job_id, "reason": "ended"}
        assert (await asked(connection, op="ping"))["op"] == "pong"


async def test_what_is_unsubscribed_tells_no_more(address: str, store: Store) -> None:
    run = await store.claimed()
    async with socket(address, "/api/ws") as connection:
        await connection.send(json.dumps({"op": "subscribe", "job_id": run.job_id}))
        await told(connection, 2)
        answer = await asked(connection, op="unsubscribe", job_id=run.job_id, ref="r")
        assert answer == {"op": "unsubscribed", "ref": "r", "job_id": run.job_id}
        await store.apply(run, "log", {"level": "info", "line": "x"})
        assert await asked(connection, op="ping") == {"op": "pong"}


async def test_the_feed_comes_over_the_socket_too(address: str, store: Store) -> None:
    active = await store.submitted()
    async with socket(address, "/api/ws") as connection:
        frame = {"op": "subscribe", "feed": True, "filter": {"kind": "anything", "status": ["pending", "cancelled"]}}
        await connection.send(json.dumps(frame))
        reply, first = await told(connection, 2)
        assert reply == {"op": "subscribed", "feed": True}
        assert (first["type"], first["job_id"]) == ("snapshot", active.job_id)
        await store.jobs.cancel(active.job_id, "default")
        assert (await told(connection, 1))[0]["type"] == "cancelled"
        assert await asked(connection, op="unsubscribe", feed=True) == {"op": "unsubscribed", "feed": True}
        await store.submitted()
        assert await asked(connection, op="ping") == {"op": "pong"}


async def test_a_job_can_be_cancelled_over_the_socket(address: str, store: Store) -> None:
    job = await store.submitted()
    async with socket(address, "/api/ws") as connection:
        answer = await asked(connection, op="cancel", job_id=job.job_id, ref=1)
    assert answer == {"op": "cancelling", "ref": 1, "job_id": job.job_id, "status": "cancelled"}


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ({"op": "subscribe", "job_id": "aaaaaaaaaaaaaaaaaaaaaaaaaa"}, "unknown_job"),
        ({"op": "subscribe", "job_id": "../x"}, "unknown_job"),
        ({"op": "subscribe", "job_id": "aaaaaaaaaaaaaaaaaaaaaaaaaa", "after": "1"}, "bad_message"),
        ({"op": "subscribe", "job_id": "aaaaaaaaaaaaaaaaaaaaaaaaaa", "after": -1}, "bad_message"),
        ({"op": "subscribe", "job_id": "aaaaaaaaaaaaaaaaaaaaaaaaaa", "after": 10**15}, "bad_message"),
        ({"op": "subscribe", "job_id": "aaaaaaaaaaaaaaaaaaaaaaaaaa", "after": 10**400}, "bad_message"),
        ({"op": "subscribe", "job_id": "aaaaaaaaaaaaaaaaaaaaaaaaaa", "after": True}, "bad_message"),
        ({"op": "subscribe", "feed": True, "filter": {"status": "asleep"}}, "invalid_request"),
        ({"op": "subscribe", "feed": True, "filter": []}, "bad_message"),
        ({"op": "cancel", "job_id": "aaaaaaaaaaaaaaaaaaaaaaaaaa"}, "unknown_job"),
        ({"op": "subscribe"}, "bad_message"),
        ({"op": "dance"}, "bad_message"),
        ({}, "bad_message"),
    ],
)
async def test_what_cannot_be_done_is_answered_and_the_socket_stays(
    address: str, frame: dict[str, Any], code: str
) -> None:
    async with socket(address, "/api/ws") as connection:
        answer = await asked(connection, **frame, ref="r")
        assert (answer["op"], answer["code"], answer["ref"]) == ("error", code, "r")
        assert answer["detail"]
        assert await asked(connection, op="ping") == {"op": "pong"}


@pytest.mark.parametrize("frame", ["", "not json", "[1]", '"x"', "{", '{"a":NaN}', b"\x00\xff", "[" * 5_000])
async def test_what_is_no_object_closes_the_socket_with_4400(address: str, frame: str | bytes) -> None:
    async with socket(address, "/api/ws") as connection:
        await connection.send(frame)
        assert await to_the_end(connection) == ([], 4400)


async def test_a_frame_over_the_bound_closes_the_socket_with_1009(address: str) -> None:
    async with socket(address, "/api/ws") as connection:
        await connection.send("x" * (65 << 10))
        assert await to_the_end(connection) == ([], 1009)


async def test_subscriptions_of_a_socket_are_bounded(
    address: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.web.websocket.Session", _narrow)
    first, second = await store.submitted(), await store.submitted()
    async with socket(address, "/api/ws") as connection:
        await connection.send(json.dumps({"op": "subscribe", "job_id": first.job_id}))
        await told(connection, 2)
        answer = await asked(connection, op="subscribe", job_id=second.job_id)
        assert (answer["op"], answer["code"]) == ("error", "too_many_subscriptions")


async def test_what_a_client_says_after_its_good_bye_is_not_done(store: Store) -> None:
    """It may not have been told yet, as it does not read."""
    job = await store.submitted()
    writer = Writer(LINES, _unheard, lambda _: None)
    unasked: Any = None
    session = Session(OPEN, unasked, unasked, store.jobs, writer, most=1)
    frames = iter([{"type": "websocket.receive", "text": json.dumps({"op": "cancel", "job_id": job.job_id})}])

    async def receive() -> dict[str, Any]:
        writer.finish(Close.UNAUTHENTICATED)
        return next(frames)

    await session.run(receive)
    view = await store.jobs.read(job.job_id)
    assert view
    assert view.job.cancel_requested_at is None


async def _unheard(_: object) -> None:
    raise AssertionError


def _narrow(*parts: Any, most: int) -> Session:
    return Session(*parts, most=min(most, 1))
