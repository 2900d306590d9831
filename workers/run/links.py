"""What joins a context to its run, for handlers on the loop and in threads. Made by `workers/run/execution.py`.

The third, of a handler in a process of its own, is in `workers/run/child.py`.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import CancelledError
from queue import SimpleQueue
from typing import Any, NamedTuple

from workers.outcomes import Cancelled
from workers.run.entries import Entry
from workers.run.operations import Operations
from workers.run.outbox import Outbox
from workers.run.program import OnLine
from workers.run.stop import Stop


class LoopLink:
    """For `async def` handlers, which asyncio's own cancellation tells to stop."""

    def __init__(self, outbox: Outbox, operations: Operations, stop: Stop) -> None:
        self._outbox = outbox
        self._operations = operations
        self._stop = stop

    def put(self, entry: Entry) -> None:
        self._outbox.put(entry)

    def check(self) -> None:
        self._stop.check()

    def call(self, name: str, *arguments: Any, on_line: Any = None) -> Coroutine[Any, Any, Any]:
        return self._operations.perform(name, *arguments, on_line=on_line)


class Line(NamedTuple):
    """A line for the handler's thread, and what to do when it is dealt with."""

    text: str
    answered: asyncio.Future[None]


class ThreadLink:
    """For `def` handlers: what takes time happens on the loop, while their thread waits and reads the lines."""

    def __init__(self, outbox: Outbox, operations: Operations, stop: Stop) -> None:
        self._loop = asyncio.get_running_loop()
        self._outbox = outbox
        self._operations = operations
        self._stop = stop

    def put(self, entry: Entry) -> None:
        self._stop.tell()
        while not self._outbox.put_blocking(entry, lambda: self._stop.untold):
            self._stop.tell()

    def check(self) -> None:
        self._stop.check()

    def call(self, name: str, *arguments: Any, on_line: Callable[[str], None] | None = None) -> Any:
        self._stop.tell()
        lines: SimpleQueue[Line | None] = SimpleQueue()
        forward = on_line and self._forwarder(lines)
        future = asyncio.run_coroutine_threadsafe(self._perform(name, arguments, forward), self._loop)
        future.add_done_callback(lambda _: lines.put(None))
        try:
            while (line := lines.get()) is not None:
                assert on_line
                on_line(line.text)
                self._loop.call_soon_threadsafe(_answer, line.answered)
            return future.result()
        except CancelledError:
            self._stop.tell()
            raise Cancelled from None
        finally:
            future.cancel()

    async def _perform(self, name: str, arguments: Sequence[Any], on_line: OnLine | None) -> Any:
        if self._stop.untold:  # it came on the way from the thread to the loop, when there was nothing yet to cancel
            raise asyncio.CancelledError
        return await self._operations.perform(name, *arguments, on_line=on_line)

    def _forwarder(self, lines: SimpleQueue[Line | None]) -> Callable[[str], asyncio.Future[None]]:
        def forward(text: str) -> asyncio.Future[None]:
            line = Line(text, self._loop.create_future())
            lines.put(line)
            return line.answered

        return forward


def _answer(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
