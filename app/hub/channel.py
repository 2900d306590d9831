"""All watchers of one job. Joins history and live events without a gap or a repeat, and sends each event once framed.

    joining   subscribed on the bus; live events wait in the subscription until its history has been sent
    late      its history was newer than what the bus has brought; events are filtered until the two meet
    joined    in step with the channel: gets the shared message, nothing is looked at per client

The channel itself knows the last seq the bus brought. A hole means messages were lost: the log is read again.
"""

import asyncio
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

import structlog

from app.events import Event
from app.hub.history import History, SharedRead, Spawn, sliced
from app.hub.subscription import Subscription
from app.hub.wire import Close, Wire
from app.jobs import STATUSES, TERMINAL, Status

log = structlog.get_logger()

FIRST_BACKOFF_SECONDS: Final = 0.1
LONGEST_BACKOFF_SECONDS: Final = 5.0


class Channel:
    """One job's. `read` gets its history; `spawn` runs a task the hub owns."""

    def __init__(self, job_id: str, read: SharedRead[History | None], spawn: Spawn) -> None:
        self.job_id = job_id
        self._read = read
        self._spawn = spawn
        self._seq: int | None = None
        self._status: Status | None = None  # at that seq
        self._ahead = 0
        self._recovering = False
        self._pending: list[Event] = []
        self._joining: list[Subscription] = []
        self._joined: dict[Wire, dict[Subscription, None]] = {}

    @property
    def empty(self) -> bool:
        """Whether nobody watches."""
        return not self._joining and not self._joined

    @property
    def pending(self) -> bool:
        """Whether the job is, as far as the channel knows."""
        return self._status is Status.PENDING

    def attach(self, subscription: Subscription) -> None:
        """From now on live events are held for it."""
        self._joining.append(subscription)

    def detach(self, subscription: Subscription) -> None:
        """It watches no more; none of ours is fine."""
        if subscription in self._joining:
            self._joining.remove(subscription)
        group = self._joined.get(subscription.writer.wire, {})
        if group.pop(subscription, subscription) is None and not group:
            del self._joined[subscription.writer.wire]

    async def history(self, after: int | None) -> History | None:
        """The job and its log from `after` on; None for an unknown job. Raises Unavailable.

        From the first history on, which is the oldest, the channel knows what the bus is to bring next.
        """
        history = await self._read(after)
        if history is not None and self._seq is None:
            self._seq = history.job.seq
            self._status = history.job.status
            if self._ahead > self._seq:
                self._recover()
        return history

    async def join(self, subscription: Subscription, history: History, after: int | None) -> None:
        """Send what it is owed, as fast as it reads, then let the live events through."""
        writer = subscription.writer
        for message in history.messages(writer.wire, after):
            await writer.send(message)
        released = subscription.release(history.job.seq)
        writer.write_events(released)
        status = self._status if subscription.seq == self._seq else history.job.status
        if status in TERMINAL:
            subscription.on_end()
        else:
            self._promote(subscription)

    def accept(self, event: Event) -> None:
        """One event from the bus, to be delivered with the others of this turn."""
        self._pending.append(event)

    def deliver(self, now: float) -> None:
        """Send this turn's events."""
        if batch := self._contiguous():
            self._note(batch)
            self._send(batch)
            if batch[-1].ends:
                self._end()

    def missed(self) -> None:
        """The bus was away; whatever was published meanwhile is in the log."""
        self._ahead = sys.maxsize  # what is being read may be older
        if self._seq is not None:
            self._recover()

    def _contiguous(self) -> list[Event]:
        """The pending events that follow on what the channel has; what lies beyond a hole comes from the log."""
        batch = []
        for event in self._pending:
            if self._seq is None or self._recovering or event.seq > self._seq + 1:
                self._ahead = max(self._ahead, event.seq)
            elif event.seq == self._seq + 1:
                self._seq = event.seq
                batch.append(event)
        self._pending.clear()
        if self._seq is not None and self._ahead > self._seq:
            self._recover()
        return batch

    def _note(self, batch: list[Event]) -> None:
        for event in batch:
            if event.type in STATUSES:
                self._status = Status(event.type)

    def _send(self, batch: list[Event]) -> None:
        for wire, group in self._joined.items():
            with _at_the_cost_of(group):
                message = wire.encode(batch)
                for subscription in group:
                    subscription.writer.write(message, batch)
        for subscription in list(self._joining):
            if subscription.seq is None:
                subscription.hold(batch)
            else:
                with _at_the_cost_of([subscription]):
                    subscription.writer.write_events(subscription.advance(batch))
                    self._promote(subscription)

    def _promote(self, subscription: Subscription) -> None:
        if subscription.seq == self._seq and subscription in self._joining:
            self._joining.remove(subscription)
            self._joined.setdefault(subscription.writer.wire, {})[subscription] = None

    def _end(self, *, gone: bool = False) -> None:
        """Who is in step is done. Who is late has read on, maybe of another series of attempts, and ends when it is
        there, unless the job is gone; who is still joining learns it then.
        """
        watching = [s for group in self._joined.values() for s in group]
        for subscription in watching + [s for s in self._joining if gone and s.seq is not None]:
            subscription.on_end()

    def _recover(self) -> None:
        if not self._recovering:
            self._recovering = True
            self._spawn(self._reread())

    async def _reread(self) -> None:
        try:
            await self._read_until_caught_up()
        finally:
            self._recovering = False

    async def _read_until_caught_up(self) -> None:
        backoff = FIRST_BACKOFF_SECONDS
        while not self.empty and self._seq is not None:
            self._ahead = 0
            try:
                history = await self._read(self._seq)
                if history is None:
                    return self._end(gone=True)
                if await self._catch_up(history):
                    return
            except Exception as error:  # Redis is away, or worse; without the log the watchers would wait for ever
                log.warning("log not read", action="channel.recovering", job_id=self.job_id, error=repr(error))
                await asyncio.sleep(backoff)
                backoff = min(backoff * 2, LONGEST_BACKOFF_SECONDS)

    async def _catch_up(self, history: History) -> bool:
        """Slice by slice; whoever is in step stays so. True when the log had all that the bus spoke of meanwhile."""
        assert self._seq is not None
        for batch in sliced(history.owed(self._seq)):
            self._seq = batch[-1].seq
            self._note(batch)
            self._send(batch)
            await asyncio.sleep(0)
        self._status = history.job.status
        if history.job.ended:
            self._end()
        return self._ahead <= self._seq


@contextmanager
def _at_the_cost_of(subscriptions: Iterable[Subscription]) -> Iterator[None]:
    """Where events cannot be framed, these have to come again; nobody else misses them."""
    try:
        yield
    except Exception:
        log.exception("events not framed", action="channel.unframed")
        for subscription in subscriptions:
            subscription.writer.close(Close.RESTARTING)
