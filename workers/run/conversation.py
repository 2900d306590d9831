"""What a worker and a handler's own process say to each other: JSON objects, one per line, each with one of these keys.

worker → child  the order, first of all: `module`, `function`, `params` and the rest of what a context is made of
                `line`     a line of the program that call `id` runs; the child says `next`, or `leave`
                `value` or `error`, the answer to call `id`
child → worker  `put`      an entry for the log: [type, data, argument]
                `call`     an operation's name, with `id`, `arguments`, `lines` (whether it wants them)
                `next`     go on with the call of this id; `leave`: nobody waits for its answer any more
                `ended`    how the handler ended; the last
"""

import asyncio
import socket
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any, Self

from pydantic_core import from_json, to_json

from workers.outcomes import Cancelled
from workers.run import reports
from workers.run.ending import Ending
from workers.run.entries import Bounds, Entry
from workers.run.operations import Operations
from workers.run.outbox import Outbox


class Left(Exception):
    """The child has left a call."""


class Conversation:
    """The worker's part of it. `ending` is known when the child has told it."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, outbox: Outbox, operations: Operations
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._outbox = outbox
        self._operations = operations
        self.ending: Ending | None = None

    @classmethod
    async def open(cls, ours: socket.socket, outbox: Outbox, operations: Operations, bounds: Bounds) -> Self:
        """Over our end of a socket pair."""
        longest = 2 * (bounds.result_bytes + bounds.event_bytes) + (1 << 20)  # JSON within JSON
        reader, writer = await asyncio.open_connection(sock=ours, limit=longest)
        return cls(reader, writer, outbox, operations)

    def close(self) -> None:
        """Nothing more is said."""
        self._writer.close()

    async def hold(self, order: Mapping[str, Any]) -> None:
        """Until the child has told how the handler ended, or hangs up. Raises ConnectionError, ValueError."""
        await self._say(order)
        while self.ending is None and (message := await self._hear()):
            await self._heed(message)

    async def _heed(self, message: Mapping[str, Any]) -> None:
        match message:
            case {"put": [type, data, argument]}:
                await self._outbox.put_waiting(Entry(type, data, argument))
            case {"call": name, "id": number, "arguments": arguments, "lines": wanted}:
                await self._carry_out(name, number, arguments, wanted)
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

    async def _await_next(self, number: int) -> None:
        while message := await self._hear():
            match message:
                case {"next": told} if told == number:
                    return
                case {"leave": told} if told == number:
                    raise Left
                case _:
                    await self._heed(message)
        raise ConnectionError("the handler's process hung up")

    async def _hear(self) -> Mapping[str, Any] | None:
        line = await self._reader.readline()
        return from_json(line) if line.endswith(b"\n") else None

    async def _say(self, message: Mapping[str, Any]) -> None:
        self._writer.write(to_json(message) + b"\n")
        await self._writer.drain()


def _cancelling() -> bool:
    """Whether it is we who are cancelled, and not an operation of ours."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
