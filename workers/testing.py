"""Runs a handler without any server, for tests of it: `ran = run_handler(count, input=Path("words.txt"), word="we")`.

The way is that of a worker (`workers/run/`), params, context, process and limits included; only Redis is missing. What
would have gone there is remembered instead. Nothing in Tidings itself uses this.
"""

import asyncio
import shutil
import weakref
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final

from pydantic_core import from_json, to_json

from app.artifacts import FileStore
from app.jobs import Artifact, Status, new_job_id
from app.locations import Locations
from app.settings import Settings
from app.store import Change, JobStore, Run, Upload, UploadStore
from workers.definition import MARK, Definition
from workers.handler import Handler
from workers.outcomes import Cancelled
from workers.run import reports
from workers.run.ending import ProcessDied, Returned
from workers.run.entries import Bounds, Entry
from workers.run.execution import Execution
from workers.run.operations import Stores
from workers.run.outbox import Outbox
from workers.run.spares import Spares
from workers.run.stop import Reason

__all__ = ["ProcessDied", "Ran", "Told", "run_handler"]

OWNER: Final = "test"
CALLBACK_URL: Final = "http://testserver/api/callbacks/test"


@dataclass(frozen=True, slots=True)
class Told:
    """An event: `progress`, `log`, `artifact`, or one that the handler emitted."""

    type: str
    data: dict[str, Any]


@dataclass(eq=False)
class Ran:
    """What came of a run: its result, all it told, in order, and where its artifacts lie as long as this is kept."""

    result: Any
    events: list[Told]
    artifacts: dict[str, Path]
    _folder: Path = field(repr=False)

    def __post_init__(self) -> None:
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)

    def told(self, type: str) -> list[dict[str, Any]]:
        """The data of each event of that type."""
        return [event.data for event in self.events if event.type == type]

    @property
    def lines(self) -> list[str]:
        """What it logged or printed."""
        return [data["line"] for data in self.told("log")]


def run_handler(
    handler: Callable[..., Any],
    *,
    job_id: str | None = None,
    attempt: int = 1,
    run_token: str = "test.1",  # noqa: S107  it protects nothing
    callback: Any = None,
    reconcile: bool = False,
    cancel_when: Callable[[Told], object] = lambda _: False,
    **params: Any,
) -> Ran:
    """One attempt of a function marked by `@job`; in params, a path stands for an uploaded file.

    `cancel_when` is asked at each event whether the job is to be cancelled. `callback` is what `ctx.callback` holds:
    the body of the call that a `Wait` waited for. `run_token` ends in a dot and a number. With `reconcile`
    it is the kind's function of that name that runs, and what it answers is the result.

    Raises InvalidParams (a ValueError), and what the handler raises: Retry, Wait, Failed, Cancelled, ProcessDied,
    TimeoutError when it took longer than its kind may, or any exception; for an exception of a process that is not
    built in, a RuntimeError. Not to be called on a running loop: there, `asyncio.to_thread` it.
    """
    definition = getattr(handler, MARK, None)
    if not isinstance(definition, Definition):
        raise TypeError(f"{handler!r} is not marked by @job")
    if reconcile and not definition.reconcile:
        raise TypeError(f"{definition.kind} has no reconcile")
    attempts, timeout_ms = max(definition.max_attempts, attempt), int(definition.timeout * 1000)
    run = Run(job_id or new_job_id(), run_token, definition.kind, OWNER, attempt, attempts, timeout_ms, "")
    run = replace(run, looks=reconcile)
    trial = _Trial(Handler(handler, definition), run, callback, cancel_when)
    try:
        return asyncio.run(trial.carry_out(params))
    except BaseException:
        shutil.rmtree(trial.folder, ignore_errors=True)
        raise


class _Trial:
    """One call of `run_handler`."""

    def __init__(self, handler: Handler, run: Run, callback: Any, cancel_when: Callable[[Told], object]) -> None:
        self._handler = handler
        self._run = run
        self._callback = callback
        self._cancel_when = cancel_when
        self.folder = Path(mkdtemp(prefix="tidings-"))

    async def carry_out(self, params: dict[str, Any]) -> Ran:
        """To its end. Raises as `run_handler` does."""
        files, uploads = FileStore(self.folder), _Uploads()
        files.prepare()
        given = to_json({name: uploads.given(value, files) for name, value in params.items()}).decode()
        arguments = self._handler.signature.arguments(given)
        outbox = _Record(self._heed)
        self._execution = Execution(
            replace(self._run, params=given),
            self._handler,
            arguments,
            Stores(_Jobs(), uploads, files, self.folder, "", Locations({})),
            _bounds(Settings(data_dir=self.folder)),
            spares=Spares(0),
            outbox=outbox,
            callback_url=CALLBACK_URL,
            callback=self._callback,
        )
        await self._execution.complete()
        saved = [Artifact(**from_json(entry.argument)) for entry in outbox.entries if entry.type == "artifact"]
        artifacts = {artifact.name: files.artifact(artifact.key) for artifact in saved}
        return Ran(self._result(), [_told(entry) for entry in outbox.entries], artifacts, self.folder)

    def _heed(self, entry: Entry) -> None:
        if self._cancel_when(_told(entry)):
            self._execution.stop(Reason.CANCELLED)

    def _result(self) -> Any:
        ending, reason = self._execution.ending, self._execution.stop_reason
        if isinstance(ending, Returned):
            return from_json(ending.result)
        if reason is Reason.TIMEOUT:
            raise TimeoutError(f"It took longer than {self._handler.definition.timeout:g} seconds.")
        raise Cancelled if reason else reports.as_builtin(ending.error)


class _Record(Outbox):
    """Keeps all it has been given, progress too; `heed` hears of each, on the loop."""

    def __init__(self, heed: Callable[[Entry], None]) -> None:
        super().__init__()
        self._heed = heed
        self.entries: list[Entry] = []

    def _offer(self, entry: Entry) -> bool:
        taken = super()._offer(entry)
        if taken:
            self.entries.append(entry)
            self._loop.call_soon_threadsafe(self._heed, entry)
        return taken


class _Jobs(JobStore):
    """Takes whatever a run tells."""

    def __init__(self) -> None:
        pass

    async def apply(
        self, job_id: str, changes: Iterable[Change], *, token: str = "", part: int = 0
    ) -> tuple[int, Status]:
        return 0, Status.PROCESSING

    def read(self, *_: Any, **__: Any) -> Awaitable[None]:  # type: ignore[override]  # there are no other jobs
        return asyncio.sleep(0)


class _Uploads(UploadStore):
    """Files of the test."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def given(self, value: Any, files: FileStore) -> Any:
        """Params with references in the place of paths."""
        match value:
            case Path():
                upload_id = new_job_id()
                shutil.copyfile(value, files.upload(upload_id))
                self._names[upload_id] = value.name
                return f"upload:{upload_id}"
            case dict():
                return {key: self.given(inner, files) for key, inner in value.items()}
            case list() | tuple():
                return [self.given(inner, files) for inner in value]
            case _:
                return value

    async def find(self, upload_id: str) -> Upload | None:
        name = self._names.get(upload_id)
        return None if name is None else Upload(upload_id, OWNER, name, 0, "", "", 0)

    async def keep(self, upload_id: str, span_ms: int | None = None, *, from_ms: int = 0) -> bool:
        return True


def _bounds(settings: Settings) -> Bounds:
    return Bounds(settings.max_event_bytes, settings.max_log_line_bytes, settings.max_result_bytes)


def _told(entry: Entry) -> Told:
    return Told(entry.type, from_json(entry.data))
