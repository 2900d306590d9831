"""What a handler has in its hands: the same calls on the loop, in a thread and in a process of its own.

A context only words what it is asked; a link (`workers/run/links.py`, `workers/run/child.py`) carries it out.
"""

import os
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from types import MethodType
from typing import Any, Concatenate, Final, Generic, ParamSpec, Protocol, TypeAlias, TypeVar, overload

from app.jobs import Artifact
from workers.exit import Exit
from workers.run import entries
from workers.run.entries import Bounds, Entry

P = ParamSpec("P")
T = TypeVar("T")
Mode = TypeVar("Mode")

FilePath: TypeAlias = str | os.PathLike[str]


class Blocking:
    """The mode of `def` handlers: what takes time returns when it is done."""


class Awaited:
    """The mode of `async def` handlers: what takes time is awaited."""


class Link(Protocol):
    """How a context reaches its run."""

    def put(self, entry: Entry) -> None:
        """Tell something. Raises Cancelled once when the run is to stop, EventBufferFull where it may not block."""

    def check(self) -> None:
        """Raises Cancelled when the run is to stop."""

    def call(self, name: str, *arguments: Any, on_line: Any = None) -> Any:
        """Do what takes time; the answer, or in the Awaited mode an awaitable of it."""


class slow(Generic[P, T]):
    """A method that takes time, typed for both modes: a value in one, to be awaited in the other."""

    def __init__(self, method: Callable[Concatenate[Any, P], T]) -> None:
        self._method = method
        self.__doc__ = method.__doc__

    @overload
    def __get__(self, context: "JobContext[Blocking]", owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, context: "JobContext[Awaited]", owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, context: Any, owner: type) -> Any:
        return MethodType(self._method, context)


class JobContext(Generic[Mode]):
    """One run of one job, as its handler sees it."""

    def __init__(
        self,
        link: Link,
        bounds: Bounds,
        *,
        job_id: str,
        attempt: int,
        run_token: str,
        params: Mapping[str, Any],
        scratch: Path,
        callback_url: str | None = None,
        callback: Any = None,
    ) -> None:
        self._link = link
        self._bounds = bounds
        self._scratch = scratch
        self.job_id: Final = job_id
        self.attempt: Final = attempt
        #: Differs for each run: what an outside system may need to tell a repeat from a new request.
        self.run_token: Final = run_token
        self.params: Final = params
        self.callback_url: Final = callback_url
        #: What an outside system has sent there, if it was waited for.
        self.callback: Final = callback

    @property
    def scratch(self) -> Path:
        """A folder for this run alone; it is deleted when the run ends."""
        self._scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self._scratch

    def progress(
        self,
        percent: float,
        message: str | None = None,
        eta_seconds: float | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> None:
        """How far it is, 0 to 100. Call it as often as you like: ten times a second the latest is told."""
        self._link.put(entries.progress(self._bounds, percent, message, eta_seconds, data))

    def log(self, line: str, level: str = "info") -> None:
        """One line for who watches; `level` is debug, info, warning or error. None is dropped, a long one is cut."""
        self._link.put(entries.log(self._bounds, line, level))

    def emit(self, type: str, data: Mapping[str, Any] | None = None) -> None:
        """An event of your own. Raises ValueError for a reserved name, or data over the bound."""
        self._link.put(entries.custom(self._bounds, type, data))

    def check(self) -> None:
        """Raises Cancelled if the job is to stop: for long loops that tell nothing."""
        self._link.check()

    @slow
    def save(
        self, name: str, source: FilePath | bytes, content_type: str | None = None, *, main: bool = False
    ) -> Artifact:
        """Store a file, given by path or as bytes, as an artifact. The main one, or else the first, is the result.

        Raises ValueError for a name that is no plain file name, OSError when it cannot be read or stored.
        """
        content = source if isinstance(source, bytes) else os.path.abspath(source)
        return self._link.call("save", name, content, content_type, main)  # type: ignore[no-any-return]  # as named

    @slow
    def open_input(self, input: str) -> Path:
        """Where the file of an `Input` param lies, to be read only. Raises Failed when it is no longer there."""
        return self._link.call("open_input", input)  # type: ignore[no-any-return]  # as named

    @slow
    def run(
        self,
        argv: Sequence[FilePath],
        on_line: Callable[[str], Awaitable[None] | None] | None = None,
        *,
        cwd: FilePath | None = None,
        env: Mapping[str, str] | None = None,
        merge_stderr: bool = False,
    ) -> Exit:
        """Run a program, never through a shell; it dies with the job, and so does what it starts.

        `on_line` gets each line of its standard output as it comes, with `merge_stderr` of its standard error too.
        It starts in the scratch folder, with `env` beside a few variables like PATH: nothing secret reaches it.
        Raises FileNotFoundError when there is no such program.
        """
        if isinstance(argv, str):
            raise TypeError("a program is started from a list of arguments, never through a shell")
        arguments = [os.fspath(argument) for argument in argv]
        folder = None if cwd is None else os.path.abspath(cwd)
        return self._link.call("run", arguments, folder, env, merge_stderr, on_line=on_line)  # type: ignore[no-any-return]  # as named

    @slow
    def flush(self) -> None:
        """Returns when all that was logged and emitted so far is in the job's log."""
        return self._link.call("flush")  # type: ignore[no-any-return]  # as named


class Context(JobContext[Blocking]):
    """What a `def` handler gets."""


class AsyncContext(JobContext[Awaited]):
    """What an `async def` handler gets: `save`, `open_input`, `run` and `flush` are awaited."""
