"""What a new watcher is owed before the live events: read once for all who ask at the same moment, framed once too.

Three thousand clients that resume on one job after a restart cost one read and one framing, not three thousand.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from typing import Any, Final, Generic, TypeAlias, TypeVar

from app.events import Event, snapshot
from app.hub.wire import Message, Wire
from app.store import View

T = TypeVar("T")

SLICE_CHARACTERS: Final = 64 << 10

Spawn: TypeAlias = Callable[[Coroutine[Any, Any, Any]], "asyncio.Task[Any]"]
"""Runs a task that somebody else owns."""


class History:
    """A job at one moment, and its log after the lowest seq anyone asked for."""

    def __init__(self, view: View, base_url: str) -> None:
        self.job = view.job
        self._events = view.events
        self._base_url = base_url
        self._snapshots: dict[bool, Event] = {}
        self._messages: dict[tuple[Wire, int | None], list[Message]] = {}

    def after(self, seq: int) -> list[Event]:
        """The retained events of a higher seq."""
        return [event for event in self._events if event.seq > seq]

    def owed(self, after: int | None) -> list[Event]:
        """The events after that seq; a snapshot for who names none, or one the log does not reach back to."""
        if after is None:
            return [self._snapshot(reset=False)]
        if after < self.job.trimmed_seq or after > self.job.seq:
            return [self._snapshot(reset=True)]
        return self.after(after)

    def messages(self, wire: Wire, after: int | None) -> list[Message]:
        """The same, framed in slices, so that no connection buffers a whole log; shared by who is owed alike."""
        key = (wire, after)
        if key not in self._messages:
            self._messages[key] = [wire.encode(events) for events in sliced(self.owed(after))]
        return self._messages[key]

    def _snapshot(self, *, reset: bool) -> Event:
        if reset not in self._snapshots:
            job = self.job
            self._snapshots[reset] = snapshot(
                job.job_id, job.seq, job.updated_at, job.shown(self._base_url), reset=reset
            )
        return self._snapshots[reset]


def sliced(events: Iterable[Event]) -> Iterator[list[Event]]:
    """Runs of events that together are about as long as a connection's buffer."""
    events_of_slice: list[Event] = []
    length = 0
    for event in events:
        events_of_slice.append(event)
        length += len(event.line)
        if length >= SLICE_CHARACTERS:
            yield events_of_slice
            events_of_slice, length = [], 0
    if events_of_slice:
        yield events_of_slice


class SharedRead(Generic[T]):
    """Reads a history, or a batch.

    Who asks while a read is under way shares the next one, so none is older than its question.
    """

    def __init__(self, read: Callable[[int | None], Awaitable[T]], spawn: Spawn) -> None:
        self._read = read
        self._spawn = spawn
        self._lock = asyncio.Lock()
        self._next: asyncio.Task[T] | None = None
        self._after: int | None = None

    async def __call__(self, after: int | None = None) -> T:
        """The history from `after` on at least. Raises what the read raises."""
        if after is not None:
            self._after = after if self._after is None else min(after, self._after)
        if self._next is None:
            self._next = self._spawn(self._run())
            self._next.add_done_callback(_retrieve)
        return await asyncio.shield(self._next)

    async def _run(self) -> T:
        async with self._lock:
            after, self._after, self._next = self._after, None, None
            return await self._read(after)


def _retrieve(task: "asyncio.Task[Any]") -> None:
    """All who asked may have left; then nobody else looks at the error."""
    if not task.cancelled():
        task.exception()
