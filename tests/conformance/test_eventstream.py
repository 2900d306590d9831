"""EventSource (WHATWG HTML 9.2): the bytes of our streams, line by line.

Replays, comments, and 200 for a stream that is to come back later are in `tests/web/test_sse.py`; how a client reads
is in `tests/test_eventstream.py`.
"""

import re

import httpx
import pytest

from tests.conformance.conftest import Raw
from tests.web.conftest import Store

SSE = {"Accept": "text/event-stream", "Accept-Encoding": "gzip, br, zstd, deflate"}
HEAD = {"content-type": "text/event-stream", "cache-control": "no-store", "x-accel-buffering": "no", "vary": "Accept"}
LINE = re.compile(r"id: \d+|event: [a-z][a-z0-9_.]*|data: \{.+\}|retry: \d+|:.*|")


@pytest.fixture
async def path(store: Store) -> str:
    """The stream of a job that has ended, after some of everything."""
    run = await store.claimed()
    await store.apply(run, "progress", {"percent": 1, "message": "\0\U0001f600\r\nid: 7\n\ndata: x"})
    await store.apply(run, "log", {"level": "info", "line": "\u2028\u0085\x0b\x0c\ufeff"})
    await store.apply(run, "frame.done", {"": None})
    await store.apply(run, "completed", {"result": "\n\n"})
    return f"/api/jobs/{run.job_id}/events"


async def stream(web: httpx.AsyncClient, url: str) -> str:
    response = await web.get(url, headers=SSE)
    assert response.status_code == 200
    return response.content.decode()


@pytest.mark.parametrize("query", ["", "?after=0"])
async def test_every_line_is_a_field_of_the_standard_or_a_comment(
    web: httpx.AsyncClient, path: str, query: str
) -> None:
    text = await stream(web, path + query)
    assert not text.startswith("\ufeff")
    assert text.endswith("\n\n")
    assert "\r" not in text
    assert all(LINE.fullmatch(line) for line in text.split("\n"))


async def test_an_event_has_one_id_one_type_and_one_line_of_data(web: httpx.AsyncClient, path: str) -> None:
    retry, *events = (await stream(web, f"{path}?after=0")).removesuffix("\n\n").split("\n\n")
    assert re.fullmatch(r"retry: \d+", retry)
    for event in events:
        assert sorted(line.partition(":")[0] for line in event.split("\n")) == ["data", "event", "id"]
    ids = [int(re.findall(r"^id: (\d+)$", event, re.MULTILINE)[0]) for event in events]
    assert ids == sorted(set(ids))


async def test_an_id_is_digits_and_never_empty_which_would_clear_it(web: httpx.AsyncClient, path: str) -> None:
    text = await stream(web, path)
    assert re.findall(r"^id:.*$", text, re.MULTILINE) == ["id: 6"]


async def test_a_terminal_event_is_the_last_of_its_stream(web: httpx.AsyncClient, path: str) -> None:
    last = (await stream(web, f"{path}?after=0")).removesuffix("\n\n").rpartition("\n\n")[2]
    assert "\nevent: completed\n" in f"\n{last}"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_who_comes_back_with_the_final_id_gets_204_which_stops_it(
    web: httpx.AsyncClient, path: str, method: str
) -> None:
    response = await web.request(method, path, headers=SSE | {"Last-Event-ID": "6"})
    assert (response.status_code, response.content) == (204, b"")


async def test_a_stream_is_never_compressed_stored_or_buffered(web: httpx.AsyncClient, path: str) -> None:
    for url in (path, "/api/events"):
        async with web.stream("GET", url, headers=SSE) as response:
            assert response.headers.items() >= HEAD.items()
            assert not {"content-encoding", "content-length", "etag"} & set(response.headers)


async def test_head_of_a_stream_opens_none(raw: Raw, path: str) -> None:
    for url in (path, "/api/events"):
        answer = await raw(f"HEAD {url}".encode())
        assert (answer.status, answer.body) == (200, b"")
        assert answer.headers.items() >= HEAD.items()
        assert not {"content-length", "transfer-encoding"} & set(answer.headers)


async def test_a_last_event_id_that_is_none_of_ours_is_ignored_as_a_browser_may_keep_one(
    web: httpx.AsyncClient, path: str
) -> None:
    for strange in ("", "0x6", "6.0", "-6", "[6]"):
        response = await web.get(path, headers=SSE | {"Last-Event-ID": strange})
        assert "event: snapshot" in response.text


async def test_the_header_of_a_browser_wins_over_its_unchanged_url(web: httpx.AsyncClient, path: str) -> None:
    response = await web.get(f"{path}?last_event_id=0", headers=SSE | {"Last-Event-ID": "5"})
    assert re.findall(r"^id: (.*)$", response.text, re.MULTILINE) == ["6"]
