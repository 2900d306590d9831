"""The processes handlers get, one for each run; of a kind that was just run, the next one is started beforehand.

So a run need not wait for the interpreter, nor for what the handler's module imports. A spare knows no job: it waits
for its order, is used once, and ends when nobody has come for it in a while. Used by `workers/run/process.py`.
"""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, Self

from pydantic_core import to_json

from app.processes.environment import clean
from workers.run.awaiting import to_the_end
from workers.run.program import Program


class Need(NamedTuple):
    """What a process gets ready for."""

    module: str
    memory_bytes: int | None
    cpu_seconds: int | None


class Process:
    """One that is ready for its order, or soon will be; `line` is our end to it."""

    def __init__(self, program: Program, line: socket.socket) -> None:
        self.program = program
        self.line = line

    @classmethod
    async def start(cls, need: Need, variables: Iterable[str] = ()) -> Self:
        """With our import path, with these variables beside the usual, and with what it prints not held back."""
        ours, theirs = socket.socketpair()
        env = clean(variables) | {
            "PYTHONPATH": os.pathsep.join(entry or os.getcwd() for entry in sys.path),
            "PYTHONUNBUFFERED": "1",
        }
        argv = [sys.executable, "-P", "-m", "workers.run.child", str(theirs.fileno())]
        try:
            with theirs:
                program = await Program.start(argv, env=env, pass_fds=(theirs.fileno(),))
            ours.sendall(to_json(need._asdict()) + b"\n")
        except BaseException:
            ours.close()
            raise
        return cls(program, ours)

    async def end(self) -> None:
        """Leave nothing of it."""
        await self.program.end()
        self.line.close()


class Spare(NamedTuple):
    """Until its time is up."""

    starting: asyncio.Task[Process]
    timer: asyncio.TimerHandle


class Spares:
    """At most one for each need, and only while this is entered. With 0 `keep_seconds` there are none."""

    def __init__(self, keep_seconds: float, variables: Collection[str] = ()) -> None:
        self._keep_seconds = keep_seconds
        self._variables = variables
        self._keeping = False
        self._waiting: dict[Need, Spare] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._keeping = self._keep_seconds > 0
        return self

    async def __aexit__(self, *_: Any) -> None:
        self._keeping = False
        for need in list(self._waiting):
            self._dismiss(need)
        while self._leaving:
            await asyncio.wait(self._leaving)

    @asynccontextmanager
    async def process(self, need: Need) -> AsyncIterator[Process]:
        """For one run; nothing of it is left afterwards. Raises OSError when none can be started."""
        starting = self._take(need) or self._start(need)
        self._prepare(need)
        try:
            yield await to_the_end(starting)
        finally:
            await to_the_end(asyncio.ensure_future(_end(starting)))

    def _start(self, need: Need) -> asyncio.Task[Process]:
        return asyncio.ensure_future(Process.start(need, self._variables))

    def _take(self, need: Need) -> asyncio.Task[Process] | None:
        """A spare, unless it has died: what it imports may take more memory than it may have."""
        if (spare := self._waiting.get(need)) is None:
            return None
        if spare.starting.done() and not _lives(spare.starting):
            self._dismiss(need)
            return None
        spare.timer.cancel()
        return self._waiting.pop(need).starting

    def _prepare(self, need: Need) -> None:
        if self._keeping and need not in self._waiting:
            timer = asyncio.get_running_loop().call_later(self._keep_seconds, self._dismiss, need)
            self._waiting[need] = Spare(self._start(need), timer)

    def _dismiss(self, need: Need) -> None:
        spare = self._waiting.pop(need)
        spare.timer.cancel()
        leaving = asyncio.ensure_future(_end(spare.starting))
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)


def _lives(starting: asyncio.Task[Process]) -> bool:
    return not starting.cancelled() and not starting.exception() and not starting.result().program.exited.is_set()


async def _end(starting: asyncio.Task[Process]) -> None:
    """Also when it could not be started."""
    await asyncio.wait([starting])
    if not starting.cancelled() and not starting.exception():
        await starting.result().end()
