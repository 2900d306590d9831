"""A real server on a real Valkey for each test. No worker: kinds are announced and jobs driven through the stores."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
import uvicorn
from pydantic_core import to_json
from redis.asyncio import Redis

from app.artifacts import FileStore
from app.auth import Scope
from app.jobs import Job, Submission, job_url
from app.limits import Connections
from app.main import create_app
from app.server import Listening
from app.settings import Settings
from app.store import Change, JobStore, KeyStore, Kind, KindStore, Run, UploadStore
from app.web.problems import shown
from workers.run import entries
from workers.run.entries import Entry

PARAMS = {
    "type": "object",
    "properties": {
        "input": {"type": "string", "format": "tidings-input"},
        "height": {"type": "integer", "minimum": 16, "maximum": 4320},
    },
    "additionalProperties": False,
}
TRANSCODE = Kind("transcode", "Encode a video.", PARAMS, "default", 3600, 3)
ANYTHING = Kind("anything", "Takes any object.", {"type": "object"}, "default", 60, 1)


@cache
def usual() -> Settings:
    """Read once: to read them takes as long as half a test."""
    return Settings(max_upload_bytes=4 << 20)


@pytest.fixture
def settings(redis_url: str, tmp_path: Path) -> Settings:
    return usual().model_copy(update={"redis_url": redis_url, "data_dir": tmp_path / "data with a space"})


@asynccontextmanager
async def served(app: Any, **limits: Any) -> AsyncIterator[str]:
    """The address of a uvicorn that serves the app on this loop, without the waits of its own start and stop. The
    limits are those of `app.limits.Connections`."""
    server = uvicorn.Server(Listening(app, "127.0.0.1", 0, Connections(**limits)))
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))  # without its protocol asyncio leaves Nagle on, which costs 40 ms an answer
        await server.startup(sockets=[listener])
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            for connection in list(server.server_state.connections):
                connection.shutdown()
            await asyncio.gather(*server.server_state.tasks)
            await server.lifespan.shutdown()
            server.servers[0].close()


def client_of(url: str) -> httpx.AsyncClient:
    """Loading certificates, which nobody needs here, would take longer than most tests."""
    return httpx.AsyncClient(base_url=url, trust_env=False, verify=False, timeout=30)


@asynccontextmanager
async def calling(app: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of that app, served."""
    async with served(app) as url, client_of(url) as client:
        yield client


@pytest.fixture
async def address(settings: Settings, store: "Store") -> AsyncIterator[str]:
    await store.kinds.announce([TRANSCODE, ANYTHING])
    async with served(create_app(settings)) as url:
        yield url


@pytest.fixture
async def web(address: str) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(address) as client:
        yield client


@dataclass
class Store:
    """What a worker, another owner or the sweeper would do, done by the test."""

    redis: Redis
    jobs: JobStore
    kinds: KindStore
    uploads: UploadStore
    files: FileStore
    data_dir: Path

    async def submitted(self, kind: str = "anything", owner: str = "default", **more: Any) -> Job:
        fixed: dict[str, Any] = {"queue": "default", "max_attempts": 3, "timeout_ms": 60_000, "result_ttl_ms": 60_000}
        return (await self.jobs.submit(Submission(kind=kind, owner=owner, params="{}", **fixed | more))).job

    async def claimed(self, **more: Any) -> Run:
        job = await self.submitted(**more)
        claims = await self.jobs.claim("w1", ["default"], 9, lease_ms=60_000, kinds=["anything", "transcode"])
        return next(run for run in claims.runs if run.job_id == job.job_id)

    async def apply(self, run: Run, type: str, data: Any, argument: str = "") -> None:
        await self.jobs.apply(run.job_id, [Change(type, to_json(data).decode(), argument)], token=run.token)

    async def tell(self, run: Run, entry: Entry) -> None:
        """As a worker would."""
        await self.jobs.apply(run.job_id, [Change(entry.type, entry.data, entry.argument)], token=run.token)

    async def completed(self, result: Any = None, **more: Any) -> Run:
        run = await self.claimed(**more)
        await self.apply(run, "completed", {"result": result})
        return run

    async def save(self, run: Run, name: str, content: bytes, **more: Any) -> None:
        source = self.data_dir / "source"
        source.parent.mkdir(exist_ok=True)
        source.write_bytes(content)
        artifact = self.files.save(run.job_id, run.attempt, name, source, **more)
        await self.tell(run, entries.artifact(artifact, job_url(run.job_id)))

    async def record(self, job_id: str) -> dict[bytes, bytes]:
        """The job's own hash."""
        record: dict[bytes, bytes] = await self.redis.hgetall(f"tidings:{{{job_id}}}:job")  # type: ignore[misc]  # redis-py
        return record

    async def queued(self) -> int:
        """Jobs that exist in whatever state, and what lies in the queue."""
        lines = [*await self.redis.keys("tidings:lane:*"), *await self.redis.keys("tidings:later:*")]
        return len(lines) + len(await self.redis.keys("tidings:{*}:job"))

    def uploaded(self) -> list[str]:
        """Everything that lies in the uploads' folder."""
        return [path.name for path in (self.data_dir / "uploads").iterdir()]


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[Store]:
    async with Redis.from_url(settings.redis_address) as redis:
        uploads = UploadStore(redis, settings.upload_ttl_seconds)
        files = FileStore.of(settings, patience_seconds=0)
        yield Store(redis, JobStore(redis), KindStore(redis), uploads, files, settings.data_dir)


def away(settings: Settings) -> Settings:
    """The same without a Redis."""
    return Settings(redis_url="unix:///tmp/no-such-tidings.sock", data_dir=settings.data_dir)


def assert_problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """It is a problem of that kind, whole and well-formed; its members."""
    return assert_refused(response, status, code, f"/docs/errors#{code}")


def assert_refused(response: httpx.Response, status: int, code: str, type: str) -> dict[str, Any]:
    """The same for a type that is known beyond this service."""
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert (response.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert problem["type"] == type
    assert problem["title"]
    assert problem["detail"]
    assert unquote(problem["instance"]) == shown(response.request.url.path)
    return problem


@pytest.fixture
def keys(store: Store) -> KeyStore:
    return KeyStore(store.redis)


@pytest.fixture
async def ann(keys: KeyStore) -> dict[str, str]:
    """What Ann, who may submit, read and cancel, shows with each request, where the service asks for it."""
    _, text = await keys.create("ann", [Scope.SUBMIT, Scope.READ, Scope.CANCEL])
    return {"Authorization": f"Bearer {text}"}
