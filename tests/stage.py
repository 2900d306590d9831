"""Where the tests of the runner have a handler play: a job submitted, claimed and run, with no worker around it."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from redis.asyncio import Redis

from app.artifacts import FileStore
from app.events import Event, json_text
from app.jobs import Job
from app.settings import Settings
from app.store import JobStore, Run, Secret, Upload, UploadStore
from app.store.uploads import new_upload_id
from tests.gateway import PATIENCE_SECONDS
from tests.ground import OWNER, submission
from workers.registry import Registry
from workers.runner import Runner

WORKER: Final = "w"
ACTS: Final = "tests.acts"
MODES: Final = ("loop", "thread", "process")
"""Kinds of `tests/acts.py`, one for each place where a handler runs."""


class Stage:
    """A runner with the handlers of `tests/acts.py`."""

    def __init__(self, redis: Redis, data_dir: Path, store: JobStore | None = None, **settings: Any) -> None:
        self.settings = Settings(data_dir=data_dir, **settings)
        self.data_dir = data_dir
        self.redis = redis
        self.jobs = JobStore(redis)
        self.uploads = UploadStore(redis, 3600)
        self.files = FileStore.of(self.settings, patience_seconds=PATIENCE_SECONDS)
        self.files.prepare()
        self.registry = Registry.load([ACTS])
        self.runner = Runner(
            self.registry,
            store or self.jobs,
            self.uploads,
            self.files,
            self.settings,
            secret=Secret.of(redis, self.settings),
            patience_seconds=PATIENCE_SECONDS,
        )

    async def claimed(self, kind: str, fields: dict[str, Any] | None = None, **params: Any) -> Run:
        """A run of a new job, in the runner's hands."""
        made = submission(kind=kind, params=json_text(params), **(fields or {}))
        await self.jobs.submit(made)
        return await self.claim(made.job_id)

    async def claim(self, job_id: str) -> Run:
        """The next run of a job that is due."""
        claims = await self.jobs.claim(WORKER, ["default"], 1, lease_ms=600_000, kinds=self.registry.limits)
        (run,) = claims.runs
        assert run.job_id == job_id
        return run

    async def play(self, kind: str, fields: dict[str, Any] | None = None, **params: Any) -> Job:
        """The job after one whole run."""
        run = await self.claimed(kind, fields, **params)
        await self.runner.run(run)
        return await self.job(run.job_id)

    async def begin(self, kind: str, fields: dict[str, Any] | None = None, **params: Any) -> "Playing":
        """A run that goes on in a task, past the `begun` event that the handler emits."""
        run = await self.claimed(kind, fields, **params)
        playing = Playing(self, run, asyncio.create_task(self.runner.run(run)))
        await self.event(run.job_id, "begun")
        return playing

    async def job(self, job_id: str) -> Job:
        """As the store has it."""
        view = await self.jobs.read(job_id)
        assert view
        return view.job

    async def log(self, job_id: str) -> Sequence[Event]:
        """Its events."""
        view = await self.jobs.read(job_id, after=0)
        assert view
        return view.events

    async def types(self, job_id: str) -> list[str]:
        """Of its events, without the first two, which every run has."""
        return [event.type for event in await self.log(job_id)][2:]

    async def lines(self, job_id: str) -> list[str]:
        """Its log lines."""
        return [event.parsed()["line"] for event in await self.log(job_id) if event.type == "log"]

    async def event(self, job_id: str, type_: str) -> dict[str, Any]:
        """The data of its first event of that type, once there is one."""
        async with asyncio.timeout(30):
            while True:
                for event in await self.log(job_id):
                    if event.type == type_:
                        return event.parsed()
                await asyncio.sleep(0.005)

    async def upload(self, path: Path, name: str | None = None, owner: str = OWNER) -> str:
        """A file as an input."""
        upload = Upload(
            new_upload_id(), owner, name or path.name, path.stat().st_size, "", "", await self.uploads.expiry()
        )
        self.files.unfinished(upload.upload_id).write_bytes(path.read_bytes())
        self.files.keep_upload(upload.upload_id)
        await self.uploads.add(upload)
        return f"upload:{upload.upload_id}"


class Playing:
    """A run that goes on."""

    def __init__(self, stage: Stage, run: Run, task: asyncio.Task[None]) -> None:
        self.stage = stage
        self.run = run
        self.job_id = run.job_id
        self.task = task

    async def cancel(self) -> Job:
        """Asked for and carried out."""
        await self.stage.jobs.cancel(self.job_id, "me")
        self.stage.runner.cancel(self.job_id)
        return await self.end()

    async def end(self) -> Job:
        """The job after the run."""
        async with asyncio.timeout(30):
            await self.task
        return await self.stage.job(self.job_id)
