"""What a handler asks for that takes time: files in and out, child processes, a flushed log. One set per run.

Each runs on the loop as a task of its own, whichever way the handler runs (`links.py`), and none outlives it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any, Final, Never, TypeVar

from app.artifacts import FileStore, artifact_key, is_file_name, upload_key
from app.errors import Unavailable
from app.jobs import Artifact, job_url
from app.locations import Locations
from app.objects import Told, Unfit
from app.periodic import backoff
from app.store import JobStore, Run, UploadStore
from workers.exit import Exit
from workers.outcomes import Failed
from workers.run import entries, program
from workers.run.awaiting import to_the_end
from workers.run.flusher import Flusher
from workers.run.outbox import Outbox
from workers.run.scratch import Scratch

T = TypeVar("T")

LARGE_BYTES: Final = 32 << 20
"""A file of that size takes long enough to be told of while it is stored."""


@dataclass(frozen=True, slots=True)
class Stores:
    """Where jobs, uploads and files are; the last three as in the settings."""

    jobs: JobStore
    uploads: UploadStore
    files: FileStore
    data_dir: Path
    public_url: str
    locations: Locations


class Operations:
    """The methods of a context that block or are awaited, by name."""

    def __init__(self, run: Run, stores: Stores, outbox: Outbox, flusher: Flusher, scratch: Scratch) -> None:
        self._run = run
        self._stores = stores
        self._outbox = outbox
        self._scratch = scratch
        self._tasks: set[asyncio.Future[Any]] = set()
        self._by_name: Mapping[str, Callable[..., Awaitable[Any]]] = {
            "save": self._save,
            "open_input": self._open_input,
            "run": self._run_program,
            "flush": flusher.flush,
        }

    async def perform(self, name: str, *arguments: Any, on_line: program.OnLine | None = None) -> Any:
        """One of them, to its end. Raises what it raises, and CancelledError when the run is stopped meanwhile."""
        following = {"on_line": on_line} if on_line else {}
        task = asyncio.ensure_future(self._by_name[name](*arguments, **following))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await task

    def cancel(self) -> None:
        """Those under way."""
        for task in self._tasks:
            task.cancel()

    async def close(self) -> None:
        """What the handler did not wait for ends with it."""
        self.cancel()
        if self._tasks:
            await to_the_end(asyncio.gather(*self._tasks, return_exceptions=True))

    async def _save(self, name: str, source: str | bytes, content_type: str | None, main: bool) -> Artifact:
        artifact = await self._stores.files.transfers.run(self._store_file, name, source, content_type, main)
        await self._outbox.put_waiting(entries.artifact(artifact, job_url(self._run.job_id, self._stores.public_url)))
        return artifact

    def _store_file(self, name: str, source: str | bytes, content_type: str | None, main: bool, told: Told) -> Artifact:
        run, files = self._run, self._stores.files
        if isinstance(source, str):
            path = Path(source)
            told = self._storing(name, path.stat().st_size, told)
            return files.save(run.job_id, run.number, name, path, content_type, main=main, told=told)
        with TemporaryDirectory(dir=self._scratch.path) as folder:
            path = Path(folder) / "content"
            path.write_bytes(source)
            return self._store_file(name, str(path), content_type, main, told)

    def _storing(self, name: str, size: int, told: Told) -> Told:
        """Who watches sees how a large file gets on."""

        def tell(stored: int) -> None:
            told(stored)
            if stored and (entry := entries.storing(self._outbox.latest, name, stored, size)):
                self._outbox.put_blocking(entry, lambda: True)  # progress never has to wait for room

        return tell if size >= LARGE_BYTES else told

    async def _open_input(self, reference: str) -> Path:
        match reference.partition(":"):
            case ("upload", _, upload_id):
                name, key = await self._patiently(lambda: self._upload(upload_id))
            case ("artifact", _, rest):
                job_id, _, name = rest.partition("/")
                key = await self._patiently(lambda: self._artifact(job_id, name))
            case ("location", _, place) if self._stores.locations.is_far(place):
                return await self._moved(reference, self._fetch_far, place)
            case ("location", _, place):
                return self._stores.locations.find(place) or _refuse(reference)
            case _:
                _refuse(reference)
        return await self._moved(reference, self._fetch, name, key)

    async def _moved(self, reference: str, move: Callable[..., Path], *arguments: str) -> Path:
        try:
            return await self._stores.files.transfers.run(move, *arguments)
        except FileNotFoundError:
            _refuse(reference)
        except Unfit as error:
            raise Failed(f"{reference} {error}.", code="unfit_input") from error

    async def _upload(self, upload_id: str) -> tuple[str, str]:
        uploads = self._stores.uploads
        upload = await uploads.find(upload_id)
        if upload is None or upload.owner != self._run.owner:
            _refuse(f"upload:{upload_id}")
        await uploads.keep(upload_id)
        return upload.name, upload_key(upload_id)

    async def _artifact(self, job_id: str, name: str) -> str:
        view = await self._stores.jobs.read(job_id)
        artifacts = view.job.artifacts if view and view.job.owner == self._run.owner else ()
        found = next((artifact for artifact in artifacts if artifact.name == name), None)
        return artifact_key(found.key) if found else _refuse(f"artifact:{job_id}/{name}")

    def _fetch(self, name: str, key: str, told: Told) -> Path:
        """The file under the name it had: programs look at its ending."""
        path = self._input_folder() / (name if is_file_name(name) else "input")
        self._stores.files.fetch(key, path, told)
        return path

    def _fetch_far(self, place: str, told: Told) -> Path:
        return self._stores.locations.fetch(place, self._input_folder(), told)

    def _input_folder(self) -> Path:
        return Path(mkdtemp(prefix="input-", dir=self._scratch.path))

    async def _run_program(
        self,
        argv: Sequence[str],
        cwd: str | None,
        env: Mapping[str, str] | None,
        merge_stderr: bool,
        on_line: program.OnLine | None = None,
    ) -> Exit:
        folder = Path(cwd) if cwd else self._scratch.path
        return await program.run(argv, on_line, cwd=folder, env=env or {}, merge_stderr=merge_stderr)

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """An outage of the store is no reason to fail an attempt."""
        failures = 0
        while True:
            try:
                return await ask()
            except Unavailable:
                await asyncio.sleep(backoff(failures))
                failures += 1


def _refuse(reference: str) -> Never:
    raise Failed(f"There is no such input any more: {reference}", code="unknown_input")
