"""The third place where a handler runs: a process of its own, which can be killed and whose crash harms nobody.

This is the worker's side, `workers/run/child.py` the other. They talk JSON lines over a socket pair (see
`workers/run/conversation.py`). What the handler prints becomes its log.
"""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from workers.run import entries
from workers.run.awaiting import together
from workers.run.conversation import Conversation
from workers.run.ending import Ending, ProcessDied, Raised
from workers.run.entries import Bounds
from workers.run.operations import Operations
from workers.run.outbox import Outbox
from workers.run.program import STOP_SECONDS, Program, lines

PRIVATE_PREFIX: Final = "TIDINGS_"
"""Our settings carry secrets, and a handler's process has no need of them."""


class ProcessHost:
    """`order` is what the child begins with."""

    def __init__(self, order: Mapping[str, Any], outbox: Outbox, operations: Operations, bounds: Bounds) -> None:
        self._order = order
        self._outbox = outbox
        self._operations = operations
        self._bounds = bounds
        self._stopping = False
        self._program: Program | None = None
        self.ended: asyncio.Future[Ending] = asyncio.ensure_future(self._perform())

    def stop(self) -> None:
        self._stopping = True
        if self._program:
            self._program.stop()

    def kill(self) -> None:
        if self._program:
            self._program.kill()
        self.ended.cancel()

    async def _perform(self) -> Ending:
        try:
            ours, theirs = socket.socketpair()
            with ours, theirs:
                self._program = await self._start(theirs)
                theirs.close()
                return await self._accompany(self._program, ours)
        except Exception as error:
            return Raised(error)

    async def _start(self, theirs: socket.socket) -> Program:
        """With our import path, and with what it prints not held back."""
        env = {name: value for name, value in os.environ.items() if not name.startswith(PRIVATE_PREFIX)}
        env |= {"PYTHONPATH": os.pathsep.join(entry or os.getcwd() for entry in sys.path), "PYTHONUNBUFFERED": "1"}
        argv = [sys.executable, "-P", "-m", "workers.run.child", str(theirs.fileno())]
        return await Program.start(argv, env=env, pass_fds=(theirs.fileno(),))

    async def _accompany(self, program: Program, ours: socket.socket) -> Ending:
        if self._stopping:
            program.stop()
        conversation = await Conversation.open(ours, self._outbox, self._operations, self._bounds)
        try:
            await together(
                self._converse(program, conversation),
                self._log(program.stdout, "info"),
                self._log(program.stderr, "warning"),
                self._clear_up(program),
            )
        finally:
            conversation.close()
            await program.end()
        return conversation.ending or Raised(ProcessDied(_last_words(program.code)))

    async def _converse(self, program: Program, conversation: Conversation) -> None:
        with suppress(ConnectionError):  # it died: its exit code tells
            await conversation.hold(self._order)
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await program.exited.wait()
        await program.end()

    async def _clear_up(self, program: Program) -> None:
        """What it started may hold its pipes, and is not to outlive it."""
        await program.exited.wait()
        await program.end()

    async def _log(self, stream: asyncio.StreamReader | None, level: str) -> None:
        async for line in lines(stream):
            await self._outbox.put_waiting(entries.log(self._bounds, line, level))


def _last_words(code: int) -> str:
    if code == -signal.SIGKILL:
        return "The handler's process was killed; the machine may have run out of memory."
    if code < 0:
        return f"The handler's process was killed by {signal.Signals(-code).name}."
    return f"The handler's process ended with code {code}, and without a word."
