"""A child process with a group of its own, which ends as a whole: at its end, when stopped, and with the worker.

`run` is what `ctx.run` does; `workers/run/process.py` starts the handlers that have a process of their own.
"""

import asyncio
import os
import re
import shutil
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, SubprocessStreamProtocol
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from inspect import isawaitable
from pathlib import Path
from typing import Any, Final, Self, TypeAlias, cast

from app.processes.environment import clean
from workers.exit import Exit
from workers.run.awaiting import to_the_end, together

STOP_SECONDS: Final = 1.0
"""From SIGTERM to SIGKILL: a cancel is to take no more than 2 s, the rest included."""

VANISH_SECONDS: Final = 0.5
"""From being killed to the end of all."""

GUARD: Final = (sys.executable, "-I", "-S", str(Path(__file__).with_name("guard.py")))
"""Leads the group; a SIGHUP has it kill whatever the program has started."""

LINE_BYTES: Final = 64 << 10
"""The rest of a longer line is dropped."""

TAIL_LINES: Final = 40
CHUNK_BYTES: Final = 64 << 10

OnLine: TypeAlias = Callable[[str], Awaitable[None] | None]

_LINE_END: Final = re.compile(rb"\r\n|\r|\n")


async def run(
    argv: Sequence[str],
    on_line: OnLine | None,
    *,
    cwd: Path,
    env: Mapping[str, str],
    merge_stderr: bool = False,
) -> Exit:
    """Start, follow and end a program; being cancelled ends it too. Raises FileNotFoundError for none of that name."""
    known = {**clean(), **env}
    stderr = STDOUT if merge_stderr else PIPE
    program = await Program.start(_arguments(argv, known), cwd=cwd, env=known, stderr=stderr)
    try:
        return await program.follow(on_line)
    finally:
        await program.end()


class Program:
    """Started by `start`; `exited` is done when its guard is gone, `end` leaves nothing of it."""

    def __init__(self, transport: asyncio.SubprocessTransport, protocol: "_Protocol") -> None:
        self._transport = transport
        self.group = transport.get_pid()
        self._ending: asyncio.Task[None] | None = None
        self.stdout = protocol.stdout
        self.stderr = protocol.stderr
        self.exited = protocol.exited

    @classmethod
    async def start(cls, argv: Sequence[str], **options: Any) -> Self:
        """Options as of `subprocess.Popen`. It reads nothing, and dies when this thread does, even by SIGKILL."""
        starting = asyncio.ensure_future(_spawned(argv, options))
        try:
            return cls(*await to_the_end(starting))
        except asyncio.CancelledError:  # the loop would kill the guard alone, which may have begun its work
            if not starting.cancelled() and not starting.exception():
                await cls(*starting.result()).end()
            raise

    @property
    def code(self) -> int:
        """Its exit code, once it has one; negative for the signal that killed it."""
        code = self._transport.get_returncode()
        return -signal.SIGKILL if code is None else code

    async def follow(self, on_line: OnLine | None) -> Exit:
        """Read it to its end; what it left running ends with it."""
        stdout: deque[str] = deque(maxlen=TAIL_LINES)
        stderr: deque[str] = deque(maxlen=TAIL_LINES)
        await together(_read(self.stdout, stdout, on_line), _read(self.stderr, stderr, None), self._last())
        return Exit(self.code, tuple(stdout), tuple(stderr))

    async def end(self) -> None:
        """SIGTERM to the whole group, then the end of all. Returns when it is gone, and no sooner."""
        await to_the_end(self.stop())

    def stop(self) -> asyncio.Future[None]:
        """Begin to end it."""
        if self._ending is None:
            self._ending = asyncio.ensure_future(self._end())
        return self._ending

    def kill(self) -> None:
        """The end of all, now."""
        self._signal(signal.SIGHUP)

    async def _last(self) -> None:
        """Where the guard can kill no more than the group, that is left to us."""
        await self.exited.wait()
        self._signal(signal.SIGKILL)

    async def _end(self) -> None:
        if not self.exited.is_set():
            self._signal(signal.SIGTERM)
            await self._exited_within(STOP_SECONDS)
        if not self.exited.is_set():
            self.kill()
            await self._exited_within(VANISH_SECONDS)
        self._signal(signal.SIGKILL)
        await self.exited.wait()
        await self._vanished()
        await self._emptied()
        self._transport.close()

    async def _exited_within(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.exited.wait()

    async def _vanished(self) -> None:
        """The killed take a moment to go, and the kernel tells it to nobody but their parents, who are not us.

        The deadline is for a machine whose first process does not reap: there they stay in the group as zombies.
        """
        with suppress(ProcessLookupError, PermissionError, TimeoutError):
            async with asyncio.timeout(VANISH_SECONDS):
                while True:
                    os.killpg(self.group, 0)
                    await asyncio.sleep(0.002)

    async def _emptied(self) -> None:
        """Closing drops what is left in its pipes. It is little, so it is read even if its reader is behind.

        The deadline is for a pipe that is held by what we cannot kill.
        """
        pipes = [pipe for fd in (1, 2) if (pipe := self._transport.get_pipe_transport(fd))]
        with suppress(TimeoutError):
            async with asyncio.timeout(VANISH_SECONDS):
                while open_ones := [pipe for pipe in pipes if not pipe.is_closing()]:
                    for pipe in open_ones:
                        cast(asyncio.ReadTransport, pipe).resume_reading()
                    await asyncio.sleep(0.002)

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):  # the latter is what macOS says of a group of zombies
            os.killpg(self.group, number)


class _Protocol(SubprocessStreamProtocol):
    """asyncio's own `Process.wait` waits for the pipes too, which a grandchild may hold."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(limit=CHUNK_BYTES, loop=loop)
        self.exited = asyncio.Event()

    def process_exited(self) -> None:
        super().process_exited()
        self.exited.set()


async def _spawned(argv: Sequence[str], options: Mapping[str, Any]) -> tuple[asyncio.SubprocessTransport, _Protocol]:
    loop = asyncio.get_running_loop()
    piped: Any = {"stdin": DEVNULL, "stdout": PIPE, "stderr": PIPE} | dict(options)
    return await loop.subprocess_exec(
        lambda: _Protocol(loop), *GUARD, str(os.getpid()), *argv, start_new_session=True, **piped
    )


async def lines(stream: asyncio.StreamReader | None) -> AsyncIterator[str]:
    """The lines of a pipe."""
    buffer = LineBuffer()
    while stream is not None and (chunk := await stream.read(CHUNK_BYTES)):
        for line in buffer.feed(chunk):
            yield line
    for line in buffer.rest():
        yield line


class LineBuffer:
    """Makes lines, without their ends, of what comes; a carriage return ends one too, as progress bars have it."""

    def __init__(self) -> None:
        self._held = b""
        self._returned = False

    def feed(self, chunk: bytes) -> list[str]:
        """The lines that are whole now."""
        new = chunk[1:] if self._returned and chunk.startswith(b"\n") else chunk  # the second half of a line's end
        self._returned = chunk.endswith(b"\r")
        *whole, held = _LINE_END.split(self._held + new)
        self._held = held[:LINE_BYTES]
        return [line[:LINE_BYTES].decode(errors="replace") for line in whole]

    def rest(self) -> list[str]:
        """The last line, if nothing has ended it."""
        held, self._held = self._held, b""
        return [held.decode(errors="replace")] if held else []


async def _read(stream: asyncio.StreamReader | None, tail: deque[str], on_line: OnLine | None) -> None:
    async for line in lines(stream):
        tail.append(line)
        answer = on_line(line) if on_line else None
        if isawaitable(answer):
            await answer


def _arguments(argv: Sequence[str], env: Mapping[str, str]) -> list[str]:
    name, *rest = argv
    found = shutil.which(name, path=env.get("PATH", os.defpath))
    if found is None:
        raise FileNotFoundError(f"no such program: {name}")
    return [os.path.abspath(found), *rest]
