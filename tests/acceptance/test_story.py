"""The main job as a user lives it, through the very processes a user starts: `tidings up` and its children."""

import asyncio
import json
import os
import re
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.acceptance.service import Service, by_polling, submit, when
from workers.handlers import ffmpeg

FFMPEG = ffmpeg.executable()


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty seconds of picture and sound."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    picture = ["-f", "lavfi", "-i", "testsrc2=duration=20:size=640x360:rate=25"]
    sound = ["-f", "lavfi", "-i", "sine=frequency=440:duration=20"]
    subprocess.run([FFMPEG, "-v", "error", *picture, *sound, "-shortest", path], check=True)
    return path


def plays(path: Path) -> bool:
    """Whether every frame of it decodes without a complaint."""
    decoded = subprocess.run([FFMPEG, "-v", "error", "-i", path, "-f", "null", "-"], capture_output=True, check=True)
    return not decoded.stderr


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(tmp_path)


@pytest.fixture
async def web(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=service.url, timeout=60, trust_env=False) as client:
        yield client


async def by_sse(web: httpx.AsyncClient, job: dict[str, Any], after: int = 0) -> list[dict[str, Any]]:
    """Followed to the end; a connection that breaks is resumed as EventSource does."""
    events: list[dict[str, Any]] = []
    last = after
    while True:
        headers = {"Accept": "text/event-stream", "Last-Event-ID": str(last)} if events or after else {}
        query = {} if headers else {"after": "0"}
        try:
            async with web.stream("GET", job["links"]["events"], headers=headers, params=query) as response:
                if response.status_code == 204:
                    return events
                async for line in response.aiter_lines():
                    if line.startswith("data: "):
                        events.append(json.loads(line[6:]))
                        last = events[-1]["seq"]
        except httpx.TransportError:
            await asyncio.sleep(0.1)


async def by_websocket(service: Service, job: dict[str, Any]) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    url = service.url.replace("http", "ws", 1) + job["links"]["websocket"] + "?after=0"
    async with connect(url) as connection:
        with suppress(ConnectionClosed):
            while True:
                events += map(json.loads, str(await connection.recv()).split("\n"))
        assert connection.close_code == 1000
    return events


def _lasting(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of progress who comes later is told the latest alone."""
    return [event for event in events if event["type"] != "progress"]


async def test_a_video_is_submitted_followed_three_ways_at_once_and_plays(
    service: Service, web: httpx.AsyncClient, clip: Path, tmp_path: Path
) -> None:
    with service.up():
        uploaded = await web.put(f"/api/uploads/{clip.name}", content=clip.read_bytes())
        assert uploaded.status_code == 201
        job = await submit(web, "transcode", input=uploaded.json()["input"], format="webm", height=180)
        streamed, socketed, polled = await asyncio.gather(
            by_sse(web, job), by_websocket(service, job), by_polling(web, job)
        )
        assert _lasting(streamed) == _lasting(socketed)
        seqs = [event["seq"] for event in streamed]
        assert seqs == sorted(set(seqs))
        assert [e["type"] for e in streamed if e["type"] in ("pending", "processing", "completed")] == [
            "pending",
            "processing",
            "completed",
        ]
        percents = [event["data"]["percent"] for event in streamed if event["type"] == "progress"]
        assert percents == sorted(percents)
        assert len(percents) >= 2
        end = polled[-1]
        assert (end["status"], end["seq"]) == ("completed", seqs[-1])
        result = await web.get(end["result_url"])
        assert result.headers["content-type"] == "video/webm"
        produced = tmp_path / "produced.webm"
        produced.write_bytes(result.content)
        assert plays(produced)
        part = await web.get(end["result_url"], headers={"Range": "bytes=10-19"})
        assert (part.status_code, part.content) == (206, result.content[10:20])


async def test_a_killed_worker_only_makes_the_bar_pause(service: Service, web: httpx.AsyncClient) -> None:
    with service.up():
        job = await submit(web, "countdown", seconds=3, steps=30)
        following = asyncio.create_task(by_sse(web, job))
        await when(web, job, "progress", None)
        os.kill(service.worker(), signal.SIGKILL)
        events = await following
    told = [(e["type"], e["data"].get("reason")) for e in events if e["type"] in ("pending", "processing", "completed")]
    assert told == [
        ("pending", "submitted"),
        ("processing", None),
        ("pending", "worker_lost"),
        ("processing", None),
        ("completed", None),
    ]
    seqs = [event["seq"] for event in events]
    assert seqs == sorted(set(seqs))


async def test_what_was_there_before_a_restart_is_there_after_it(service: Service, web: httpx.AsyncClient) -> None:
    with service.up():
        done = await submit(web, "countdown", seconds=0.1, steps=1)
        before = (await by_polling(web, done))[-1]
        going = await submit(web, "countdown", seconds=60, steps=60)
        await when(web, going, "status", "pending")
    with service.up():
        assert (await web.get(done["links"]["self"])).json() == before
        again = (await web.get(going["links"]["self"])).json()
        assert again["status"] in ("pending", "processing")
        assert again["attempt"] <= 1
        cancelled = await web.post(going["links"]["cancel"])
        assert cancelled.status_code in (200, 202)
        assert (await by_polling(web, going))[-1]["status"] == "cancelled"


async def test_the_handler_of_the_readme_runs_from_the_directory_the_service_is_started_in(
    service: Service, web: httpx.AsyncClient, tmp_path: Path
) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    (handler,) = (block for block in re.findall(r"```python\n(.*?)```", readme, re.DOTALL) if "@job" in block)
    (tmp_path / "mine.py").write_text(handler)
    with service.up(TIDINGS_HANDLERS="mine"):
        uploaded = await web.put("/api/uploads/text.txt", content=b"good news\nno news\n")
        job = await submit(web, "count", input=uploaded.json()["input"], word="news")
        end = (await by_polling(web, job))[-1]
    assert (end["status"], end["result"]) == ("completed", {"found": 2})
