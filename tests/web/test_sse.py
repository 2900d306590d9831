import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from app.errors import Unavailable
from app.hub import SSE as SSE_WIRE
from app.hub import Attendance, Close, Full, Hub
from app.jobs import new_job_id
from app.store import Change, JobStore
from tests.web.conftest import Store, assert_problem

SSE = {"Accept": "text/event-stream"}


class Block:
    """One SSE block, read as EventSource would."""

    def __init__(self, text: str) -> None:
        fields = [line.partition(": ") for line in text.splitlines()]
        self.fields = {name: value for name, _, value in fields}
        self.id = self.fields.get("id")
        self.type = self.fields.get("event")
        self.event: dict[str, Any] = json.loads(self.fields["data"]) if "data" in self.fields else {}


async def blocks(response: httpx.Response) -> AsyncIterator[Block]:
    text = ""
    async for chunk in response.aiter_text():
        text += chunk
        *whole, text = text.split("\n\n")
        for block in whole:
            yield Block(block)


@asynccontextmanager
async def stream(web: httpx.AsyncClient, path: str, **headers: str) -> AsyncIterator[httpx.Response]:
    async with asyncio.timeout(30), web.stream("GET", path, headers=SSE | headers, timeout=30) as response:
        yield response


async def whole(web: httpx.AsyncClient, path: str, **headers: str) -> list[Block]:
    """All blocks of a stream that ends."""
    async with stream(web, path, **headers) as response:
        assert response.status_code == 200
        return [block async for block in blocks(response)]


async def test_a_stream_begins_with_its_reconnection_time_and_a_snapshot(web: httpx.AsyncClient, store: Store) -> None:
    job = await store.submitted(tags=("x",))
    async with stream(web, f"/api/jobs/{job.job_id}/events") as response:
        assert response.headers["content-type"] == "text/event-stream"
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-accel-buffering"] == "no"
        assert "content-encoding" not in response.headers
        reading = blocks(response)
        assert (await anext(reading)).fields == {"retry": "3000"}
        first = await anext(reading)
    assert (first.type, first.id) == ("snapshot", "1")
    assert first.event["data"]["job_id"] == job.job_id
    assert first.event["data"] == (await web.get(f"/api/jobs/{job.job_id}")).json()


async def test_every_block_carries_the_event_its_type_and_its_seq(web: httpx.AsyncClient, store: Store) -> None:
    run = await store.claimed()
    path = f"/api/jobs/{run.job_id}/events"
    async with stream(web, path) as response:
        reading = blocks(response)
        await anext(reading), await anext(reading)
        await store.apply(run, "log", {"level": "info", "line": "two\nlines\r\n\r\nid: 99"})
        await store.apply(run, "frame.done", {"n": 1})
        await store.apply(run, "completed", {"result": 7})
        told = [block async for block in reading]
    assert [(b.type, b.id, b.event["type"], b.event["seq"]) for b in told] == [
        ("log", "3", "log", 3),
        ("frame.done", "4", "frame.done", 4),
        ("completed", "5", "completed", 5),
    ]
    assert told[0].event["data"]["line"] == "two\nlines\r\n\r\nid: 99"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", told[0].event["at"])


@pytest.mark.parametrize("how", ["header", "query"])
async def test_a_stream_resumes_after_the_last_event_seen(web: httpx.AsyncClient, store: Store, how: str) -> None:
    run = await store.completed()
    path = f"/api/jobs/{run.job_id}/events"
    headers = {"Last-Event-ID": "1"} if how == "header" else {}
    told = await whole(web, path if how == "header" else f"{path}?after=1", **headers)
    assert [block.id for block in told[1:]] == ["2", "3"]


async def test_the_header_of_a_reconnect_wins_over_the_url(web: httpx.AsyncClient, store: Store) -> None:
    run = await store.completed()
    told = await whole(web, f"/api/jobs/{run.job_id}/events?after=0", **{"Last-Event-ID": "2"})
    assert [block.id for block in told[1:]] == ["3"]


async def test_after_zero_gives_the_whole_log(web: httpx.AsyncClient, store: Store) -> None:
    run = await store.completed()
    told = await whole(web, f"/api/jobs/{run.job_id}/events?after=0")
    assert [block.type for block in told[1:]] == ["pending", "processing", "completed"]


async def test_a_fresh_stream_on_an_ended_job_shows_it_and_ends(web: httpx.AsyncClient, store: Store) -> None:
    run = await store.completed({"x": 1})
    told = await whole(web, f"/api/jobs/{run.job_id}/events")
    assert [block.type for block in told] == [None, "snapshot"]
    assert told[1].event["data"]["result"] == {"x": 1}


async def test_an_id_that_is_none_of_ours_means_a_fresh_start(web: httpx.AsyncClient, store: Store) -> None:
    run = await store.completed()
    for strange in ("abc", "-1", "9" * 40, "999", "1.5"):
        told = await whole(web, f"/api/jobs/{run.job_id}/events", **{"Last-Event-ID": strange})
        assert [block.type for block in told] == [None, "snapshot"]


@pytest.mark.parametrize("after", ["abc", "-1", "1e3", "9" * 40, "%00"])
async def test_a_malformed_after_is_refused(web: httpx.AsyncClient, store: Store, after: str) -> None:
    job = await store.submitted()
    response = await web.get(f"/api/jobs/{job.job_id}/events?after={after}", headers=SSE)
    assert_problem(response, 400, "invalid_request")


async def test_unknown_and_foreign_jobs_look_alike(web: httpx.AsyncClient, store: Store) -> None:
    foreign = await store.submitted(owner="another")
    for job_id in (foreign.job_id, new_job_id(), "x", "..%20"):
        assert_problem(await web.get(f"/api/jobs/{job_id}/events", headers=SSE), 404, "unknown_job")


async def test_a_silent_stream_gets_a_comment(
    web: httpx.AsyncClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.hub.writer.KEEP_ALIVE_SECONDS", 0.01)
    job = await store.submitted()
    async with stream(web, f"/api/jobs/{job.job_id}/events") as response:
        text = ""
        async for chunk in response.aiter_text():
            text += chunk
            if "\n: " in text or text.startswith(": "):
                break
    comment = text.rsplit("\n\n", 2)[-2]
    assert comment.startswith(":")
    assert "id:" not in comment


async def test_the_log_comes_as_json(web: httpx.AsyncClient, store: Store) -> None:
    run = await store.completed()
    response = await web.get(f"/api/jobs/{run.job_id}/events", headers={"Accept": "application/json"})
    assert response.headers["content-type"] == "application/json"
    log = response.json()
    assert (log["job_id"], log["seq"]) == (run.job_id, 3)
    assert [event["seq"] for event in log["events"]] == [1, 2, 3]
    later = await web.get(f"/api/jobs/{run.job_id}/events?after=2", headers={"Accept": "application/json"})
    assert [event["seq"] for event in later.json()["events"]] == [3]


async def test_the_bar_redraws_itself_as_text(web: httpx.AsyncClient, store: Store) -> None:
    run = await store.claimed()
    path = f"/api/jobs/{run.job_id}/events"
    async with web.stream("GET", path, headers={"Accept": "text/plain"}) as response:
        assert response.headers["content-type"] == "text/plain; charset=utf-8"
        text = ""
        sent = False
        async for chunk in response.aiter_text():
            text += chunk
            if not sent:
                sent = True
                await store.apply(run, "progress", {"percent": 42, "message": "half\x1b[2Jway"})
                await store.apply(run, "log", {"level": "info", "line": "said \x1b[31mred"})
                await store.apply(run, "completed", {"result": None})
    assert "42 %" in text
    assert "100 %" in text
    assert "said" in text
    assert "\x1b" not in text
    assert text.endswith("\n")


async def test_the_feed_starts_with_the_active_jobs_and_goes_on_with_all(web: httpx.AsyncClient, store: Store) -> None:
    active = await store.submitted()
    await store.completed()
    await store.submitted(owner="another")
    async with stream(web, "/api/events?kind=anything") as response:
        reading = blocks(response)
        assert (await anext(reading)).fields == {"retry": "3000"}
        first = await anext(reading)
        new = await store.submitted()
        second = await anext(reading)
    assert (first.type, first.event["job_id"]) == ("snapshot", active.job_id)
    assert (second.type, second.event["job_id"]) == ("pending", new.job_id)


async def test_a_feed_with_a_malformed_filter_is_refused(web: httpx.AsyncClient) -> None:
    assert_problem(await web.get("/api/events?status=sleeping", headers=SSE), 400, "invalid_request")


async def test_one_stream_too_many_is_told_to_come_back(
    web: httpx.AsyncClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await store.submitted()
    monkeypatch.setattr(Attendance, "admitted", _full)
    told = await whole(web, f"/api/jobs/{job.job_id}/events")
    assert [list(block.fields) for block in told] == [["retry"]]
    assert int(told[0].fields["retry"]) >= 1_000
    text = await web.get(f"/api/jobs/{job.job_id}/events", headers={"Accept": "text/plain"})
    assert_problem(text, 503, "unavailable")
    assert text.headers["retry-after"]


def _full(*_: object) -> None:
    raise Full(Close.TOO_MANY)


async def test_events_read_by_polling_are_those_of_the_stream(web: httpx.AsyncClient, store: Store) -> None:
    run = await store.completed({"x": [1, 2]})
    path = f"/api/jobs/{run.job_id}"
    streamed = [block.event for block in (await whole(web, f"{path}/events?after=0"))[1:]]
    logged = (await web.get(f"{path}/events", headers={"Accept": "application/json"})).json()["events"]
    assert streamed == logged
    polled = await web.get(path)
    assert polled.headers["etag"] == f'"{streamed[-1]["seq"]}"'


def test_the_keep_alive_is_a_comment_and_nothing_else() -> None:
    assert SSE_WIRE.keep_alive()["body"].startswith(b":")
    assert b"id" not in SSE_WIRE.keep_alive()["body"]


async def test_a_store_that_is_away_only_makes_a_stream_come_back(
    web: httpx.AsyncClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await store.submitted()

    async def away(*_: object) -> None:
        raise Unavailable

    monkeypatch.setattr(Hub, "watch", away)
    told = await whole(web, f"/api/jobs/{job.job_id}/events")
    assert [list(block.fields) for block in told] == [["retry"]]


@pytest.mark.parametrize("accept", ["application/json, text/javascript, */*; q=0.01", "text/plain, */*; q=0.5"])
async def test_who_takes_a_stream_but_would_rather_not_is_refused_in_words_when_the_store_is_away(
    web: httpx.AsyncClient, store: Store, monkeypatch: pytest.MonkeyPatch, accept: str
) -> None:
    job = await store.submitted()

    async def away(*_: object, **__: object) -> None:
        raise Unavailable

    monkeypatch.setattr(JobStore, "poll", away)
    monkeypatch.setattr(Hub, "watch", away)
    response = await web.get(f"/api/jobs/{job.job_id}/events", headers={"Accept": accept})
    assert_problem(response, 503, "unavailable")
    assert response.headers["retry-after"]


async def test_the_json_log_is_what_is_retained_even_of_a_trimmed_log(
    web: httpx.AsyncClient, store: Store, redis_url: str
) -> None:
    run = await store.claimed()
    short = JobStore(store.redis, max_log_events=5)
    lines = [Change("log", '{"level":"info","line":"x"}') for _ in range(20)]
    await short.apply(run.job_id, lines, token=run.token)
    log = await web.get(f"/api/jobs/{run.job_id}/events", headers={"Accept": "application/json"})
    assert [event["seq"] for event in log.json()["events"]] == [1, 2, 20, 21, 22]
