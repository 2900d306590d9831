"""One client's watch, of one job or of an owner's feed: what it has, and what waits until its history has been sent."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from app.events import Event
from app.hub.wire import Close
from app.hub.writer import Writer
from app.jobs import STATUSES, Job, Status
from app.store import Filter

MOST_HELD_EVENTS: Final = 10_000
"""Past the bound the client is to come again."""

_STATUS: Final = {status: status for status in STATUSES} | dict.fromkeys(
    ("position", "suspended", "resumed"), str(Status.PENDING)
)
"""In which an event of that type leaves its job; of any other type it is processing."""


class Subscription:
    """`on_end` is called when nothing more will come of the job: it has ended, or is gone."""

    __slots__ = ("_held", "on_end", "seq", "writer")

    def __init__(self, writer: Writer, on_end: Callable[[], None]) -> None:
        self.writer = writer
        self.on_end = on_end
        self.seq: int | None = None
        self._held: list[Event] = []

    def hold(self, events: Iterable[Event]) -> None:
        """Live events that came before the history."""
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
        fresh = [event for event in events if event.seq > self.seq or event.reset]
        if fresh:
            self.seq = fresh[-1].seq
        return fresh


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """An event with what filters ask of its job."""

    event: Event
    kind: str
    tags: tuple[str, ...]

    def fits(self, wanted: Filter) -> bool:
        """Whether a watcher with that filter is told."""
        return wanted.fits_words(_STATUS.get(self.event.type, Status.PROCESSING), self.kind, self.tags)


class FeedSubscription:
    """Per job it knows the seq its snapshots reached, until the live events have passed it."""

    def __init__(self, writer: Writer, wanted: Filter) -> None:
        self.writer = writer
        self.wanted = wanted
        self.joined = False
        self.holding = True
        self.generation = 0
        self._seen: dict[str, int] = {}
        self._held: list[FeedEvent] = []

    @property
    def ended(self) -> set[str]:
        """Jobs whose end is held."""
        return {held.event.job_id for held in self._held if held.event.ends}

    def hold(self) -> None:
        """Jobs are to be read for it; what happens meanwhile comes after them."""
        self.holding = True
        self._seen.clear()

    def see(self, jobs: Iterable[Job]) -> None:
        """Their snapshots have been sent."""
        self._seen |= {job.job_id: job.seq for job in jobs}

    def release(self) -> None:
        """Now what was held and is newer."""
        self.holding = False
        held, self._held = self._held, []
        self.write(held)

    def write(self, batch: Sequence[FeedEvent]) -> None:
        """Send those of the events that fit and are new."""
        if not self.holding:
            self.writer.write_events([e.event for e in batch if e.fits(self.wanted) and self._is_new(e.event)])
            return
        self._held.extend(batch)
        if len(self._held) > MOST_HELD_EVENTS:
            self._held.clear()
            self.writer.close(Close.TOO_SLOW)

    def _is_new(self, event: Event) -> bool:
        if event.seq <= self._seen.get(event.job_id, 0):
            return False
        self._seen.pop(event.job_id, None)
        return True
