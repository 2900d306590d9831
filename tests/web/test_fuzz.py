"""Requests by the hundred, made by schemathesis of the document itself, before a real server.

Whatever is asked, the answer is one that the document declares: its status, media type, headers and body, and never a
5xx. What the schema allows is taken, and what it does not allow is refused. Streams that would go on for ever are ended
by the hub a moment after they were admitted, as on a restart.
"""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.auth import Principal
from app.hub import Attendance, Close, Writer
from app.settings import Settings
from tests.web.conftest import Store

CONFIG = Path(__file__).with_name("schemathesis.toml")
STREAM_SECONDS = 0.02

WORDS: dict[str, list[Any]] = {
    "Accept": ["*/*", "application/json", "text/plain", "text/event-stream", "image/png"],
    "Range": ["bytes=0-9", "bytes=5000-", "bytes=0-1,5-6"],
    "If-None-Match": ['"1"', '"2"', "*"],
    "Prefer": ["respond-async", "wait=10"],
    "after": [4, 0],
    "name": ["clip.mp4"],
    "queue": ["default"],
}
"""Some that mean something, among those made up; as examples the first of each go together, and the second."""

MET = {200, 201, 202, 204, 206, 304, 400, 404, 405, 406, 409, 410, 415, 416, 422}
"""Statuses that a run must have seen, or it has looked at too little."""


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """As always, but for who asks too often."""
    return settings.model_copy(update={"poll_burst": 1_000_000, "max_unfinished_uploads_per_owner": 1_000_000})


@pytest.fixture(autouse=True)
def _short_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    admitted = Attendance.admitted

    @contextmanager
    def briefly(attendance: Attendance, principal: Principal, writer: Writer) -> Iterator[None]:
        with admitted(attendance, principal, writer):
            asyncio.get_running_loop().call_later(STREAM_SECONDS, writer.finish, Close.RESTARTING, 1_000)
            yield

    monkeypatch.setattr(Attendance, "admitted", briefly)


async def jobs_in_every_state(store: Store) -> list[str]:
    """Their ids, that of one with a file twice."""
    pending = await store.submitted(tags=("a",))
    running, failed, saved = [await store.claimed() for _ in range(3)]
    await store.apply(running, "progress", {"percent": 5, "message": "x"})
    await store.apply(failed, "failed", {"error": {"code": "handler_error", "message": "x"}})
    await store.save(saved, "clip.mp4", b"x" * 1_000, content_type="video/mp4")
    await store.apply(saved, "completed", {"result": None})
    completed, expired = await store.completed({"any": [1]}), await store.completed(result_ttl_ms=1)
    cancelled = await store.submitted()
    await store.jobs.cancel(cancelled.job_id, "default")
    return [job.job_id for job in (saved, saved, pending, running, failed, completed, expired, cancelled)]


async def uploads_in_every_state(web: httpx.AsyncClient) -> list[str]:
    """Their ids."""
    whole = (await web.put("/api/uploads/clip.mp4", content=b"whole")).json()
    headers = {"Tus-Resumable": "1.0.0", "Upload-Length": "9"}
    begun = (await web.post("/api/uploads", headers=headers)).headers["location"]
    return [begun.rpartition("/")[2], whole["upload_id"]]


def knowing(document: dict[str, Any], words: dict[str, list[Any]]) -> dict[str, Any]:
    """The document, made to ask for things that are there as well."""
    for item in document["paths"].values():
        for operation in item.values():
            parameters = operation.setdefault("parameters", [])
            if "406" in operation["responses"]:
                parameters.append({"name": "Accept", "in": "header", "schema": {"type": "string"}})
            for parameter in parameters:
                if there := words.get(parameter["name"]):
                    parameter["schema"] = {"anyOf": [{"enum": [*dict.fromkeys(there)]}, parameter["schema"]]}
                    parameter["examples"] = {str(n): {"value": word} for n, word in enumerate(there)}
    kind = document["components"]["schemas"]["JobRequest"]["properties"]["kind"]
    kind |= {"anyOf": [{"const": "anything"}, {"type": "string"}]}
    return document


@pytest.mark.timeout(300)
async def test_whatever_is_asked_the_answer_is_one_that_was_declared(
    address: str, web: httpx.AsyncClient, store: Store, tmp_path: Path
) -> None:
    words = WORDS | {"job_id": await jobs_in_every_state(store), "upload_id": await uploads_in_every_state(web)}
    description, seen = tmp_path / "openapi.json", tmp_path / "seen.har"
    description.write_text(json.dumps(knowing((await web.get("/openapi.json")).json(), words)))
    run = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", CONFIG, "run", description, "--url", address),
        *("--report", "har", "--report-har-path", seen),
        stdout=PIPE,
        stderr=STDOUT,
        cwd=tmp_path,
        env=os.environ | {"SCHEMATHESIS_HOOKS": str(CONFIG.with_name("fuzz_hooks.py"))},
    )
    output, _ = await run.communicate()
    assert run.returncode == 0, output.decode()
    answers = [entry["response"]["status"] for entry in json.loads(seen.read_text())["log"]["entries"]]
    assert set(answers) >= MET
