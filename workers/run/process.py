"""The third place where a handler runs: a process of its own, which can be killed and whose crash harms nobody.

This is the worker's side, `workers/run/child.py` the other. They talk JSON lines over a socket pair (see
`workers/run/conversation.py`). What the handler prints becomes its log, whichever way it comes.
"""

import asyncio
import socket
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any

from workers.run import death, entries
from workers.run.awaiting import together
from workers.run.conversation import Conversation
from workers.run.ending import Ending, Raised
from workers.run.entries import Bounds
from workers.run.operations import Operations
from workers.run.outbox import Outbox
from workers.run.program import STOP_SECONDS, Program, lines
from workers.run.spares import Process


class ProcessHost:
    """`process` is entered for one, `order` is what it begins with."""

    def __init__(
        self,
        process: AbstractAsyncContextManager[Process],
        order: Mapping[str, Any],
        outbox: Outbox,
        operations: Operations,
        bounds: Bounds,
    ) -> None:
        self._process = process
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
            async with self._process as process:
                self._program = process.program
                return await self._accompany(process.program, process.line)
        except Exception as error:
            return Raised(error)

    async def _accompany(self, program: Program, ours: socket.socket) -> Ending:
        if self._stopping:
            program.stop()
        killed_before = death.kills_for_memory()
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
        return conversation.ending or Raised(death.cause(program.code, killed_before, death.kills_for_memory()))

    async def _converse(self, program: Program, conversation: Conversation) -> None:
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
