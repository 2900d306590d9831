"""What a worker and a handler's own process say to each other: JSON objects, one per line, each with one of these keys.

worker → child  what to get ready for, first of all (`workers/run/spares.py`): `module` and limits
                the order: `module`, `function`, `params` and the rest of what a context is made of
                `line`     a line of the program that call `id` runs; the child says `next`, or `leave`
                `value` or `error`, the answer to call `id`
child → worker  `put`      an entry for the log: [type, data, argument]
                `print`    text for the log, on a `level`; lines end where they will
                `call`     an operation's name, with `id`, `arguments`, `lines` (whether it wants them)
                `next`     go on with the call of this id; `leave`: nobody waits for its answer any more
                `ended`    how the handler ended; the last
"""

import asyncio
import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any, Self

from pydantic_core import from_json, to_json

from workers.outcomes import Cancelled
from workers.run import entries, reports
from workers.run.ending import Ending
from workers.run.entries import Bounds, Entry
from workers.run.operations import Operations
from workers.run.outbox import Outbox
from workers.run.program import CHUNK_BYTES, LineBuffer


class Left(Exception):
    """The child has left a call."""


class Conversation:
    """The worker's part of it. `ending` is known when the child has told it."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        outbox: Outbox,
        operations: Operations,
        bounds: Bounds,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._outbox = outbox
        self._operations = operations
        self._bounds = bounds
        self._printed = {"info": LineBuffer(), "warning": LineBuffer()}
        self._goes_on: dict[int, bool] = {}  # what was said to calls, which may have others within them
        self.ending: Ending | None = None

    @classmethod
    async def open(cls, ours: socket.socket, outbox: Outbox, operations: Operations, bounds: Bounds) -> Self:
        """Over our end of a socket pair."""
        loop = asyncio.get_running_loop()
        longest = 2 * (bounds.result_bytes + bounds.event_bytes) + (1 << 20)  # JSON within JSON
        reader = asyncio.StreamReader(limit=longest)
        protocol = _LastWords(reader, ours.dup())
        transport, _ = await loop.create_connection(lambda: protocol, sock=ours)
        return cls(reader, asyncio.StreamWriter(transport, protocol, reader, loop), outbox, operations, bounds)

    def close(self) -> None:
        """Nothing more is said."""
        self._writer.close()

    async def hold(self, order: Mapping[str, Any]) -> None:
        """Until the child has told how the handler ended, or is gone. Raises ValueError."""
        try:
            await self._say(order)
            while self.ending is None and (message := await self._hear()):
                await self._heed(message)
        except ConnectionError:  # it has died; what it had said by then counts
            while message := await self._hear():
                if "call" not in message:
                    await self._heed(message)
        for level, buffer in self._printed.items():
            await self._log(buffer.rest(), level)

    async def _heed(self, message: Mapping[str, Any]) -> None:
        match message:
            case {"put": [type, data, argument]}:
                await self._outbox.put_waiting(Entry(type, data, argument))
            case {"print": text, "level": level}:
                await self._log(self._printed[level].feed(text.encode()), level)
            case {"call": name, "id": number, "arguments": arguments, "lines": wanted}:
                await self._carry_out(name, number, arguments, wanted)
            case {"next": number}:
                self._goes_on[number] = True
            case {"leave": number}:
                self._goes_on[number] = False
            case {"ended": report}:
                self.ending = reports.ending(report)

    async def _carry_out(self, name: str, number: int, arguments: list[Any], wanted: bool) -> None:
        async def on_line(line: str) -> None:
            await self._say({"line": line, "id": number})
            await self._await_next(number)

        try:
            value = await self._operations.perform(name, *arguments, on_line=on_line if wanted else None)
            await self._say({"value": _plain(value), "id": number})
        except Left:
            return
        except asyncio.CancelledError:
            if _cancelling():
                raise
            await self._say({"error": reports.of_error(Cancelled()), "id": number})
        except Exception as error:
            await self._say({"error": reports.of_error(error), "id": number})

    async def _log(self, lines: Iterable[str], level: str) -> None:
        for line in lines:
            await self._outbox.put_waiting(entries.log(self._bounds, line, level))

    async def _await_next(self, number: int) -> None:
        while number not in self._goes_on:
            if not (message := await self._hear()):
                raise ConnectionError("the handler's process hung up")
            await self._heed(message)
        if not self._goes_on.pop(number):
            raise Left

    async def _hear(self) -> Mapping[str, Any] | None:
        line = await self._reader.readline()
        return from_json(line) if line.endswith(b"\n") else None

    async def _say(self, message: Mapping[str, Any]) -> None:
        self._writer.write(to_json(message) + b"\n")
        await self._writer.drain()


class _LastWords(asyncio.StreamReaderProtocol):
    """asyncio's own forgets what it has not yet handed out when the other end is found to be gone."""

    def __init__(self, reader: asyncio.StreamReader, line: socket.socket) -> None:
        super().__init__(reader)
        self._reader = reader
        self._line = line

    def connection_lost(self, exc: Exception | None) -> None:
        with self._line, suppress(OSError):
            while chunk := self._line.recv(CHUNK_BYTES):
                self._reader.feed_data(chunk)
        super().connection_lost(None)


def _cancelling() -> bool:
    """Whether it is we who are cancelled, and not an operation of ours."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
