"""One client's watch of one job: what it has, and what waits until its history has been sent."""

from collections.abc import Callable, Iterable
from typing import Final

from app.events import Event
from app.hub.wire import Close
from app.hub.writer import Writer

MOST_HELD_EVENTS: Final = 10_000


class Subscription:
    """`on_end` is called when nothing more will come of the job: it has ended, or is gone."""

    def __init__(self, writer: Writer, on_end: Callable[[], None]) -> None:
        self.writer = writer
        self.on_end = on_end
        self.seq: int | None = None
        self._held: list[Event] = []

    def hold(self, events: Iterable[Event]) -> None:
        """Live events that came before the history. Past the bound the client is to come again."""
        self._held.extend(events)
        if len(self._held) > MOST_HELD_EVENTS:
            self._held.clear()
            self.writer.close(Close.TOO_SLOW)

    def release(self, seq: int) -> list[Event]:
        """The history reached up to `seq`: what was held beyond it."""
        self.seq = seq
        held, self._held = self._held, []
        return self.advance(held)

    def advance(self, events: Iterable[Event]) -> list[Event]:
        """Those of the events that the client has not had; from now on it has."""
        assert self.seq is not None
        fresh = [event for event in events if event.seq > self.seq]
        if fresh:
            self.seq = fresh[-1].seq
        return fresh
