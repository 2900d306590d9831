"""One client's way out. Driven by the hub without a task or a queue, as long as the client reads.

The ASGI `send` is a coroutine; the writer runs it by hand. Nearly always it finishes without suspending. When it does
suspend, the client is not reading: a task finishes that send, newer events wait in a bounded backlog where progress is
conflated, and a client that stays too slow is hung up on. It resumes by its last id.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Final

import structlog

from app.begun import Begun
from app.hub.wire import Close, Message, Sendable, Wire

log = structlog.get_logger()

MOST_BACKLOG_BYTES: Final = 1 << 20
MOST_SEND_SECONDS: Final = 20.0
KEEP_ALIVE_SECONDS: Final = 15.0


class Writer:
    """`send` and `hang_up` are the connection's: the latter ends it without waiting for the client. `stirred` becomes
    true with each event.

    Nothing here raises for what one client does, since one call serves many.
    """

    __slots__ = (
        *("_backlog", "_farewell", "_hang_up", "_opened", "_over", "_quiet_since", "_said_farewell", "_send", "_task"),
        *("_waited_for", "stirred", "wire"),
    )

    def __init__(
        self, wire: Wire, send: Callable[[Message], Awaitable[None]], hang_up: Callable[[Close], None]
    ) -> None:
        self.wire = wire
        self.stirred = False
        self._quiet_since: float | None = None  # when the timer noticed; none while something is sent
        self._send = send
        self._hang_up = hang_up
        self._backlog = Backlog()
        self._opened = False
        self._farewell: Message | None = None
        self._said_farewell = False
        self._over = False
        self._waited_for = 0  # sends that tasks of the connection wait for
        self._task: asyncio.Task[None] | None = None

    @property
    def finished(self) -> bool:
        """Nothing more is said but what waits, and good-bye."""
        return self._over or self._farewell is not None

    def open(self) -> None:
        """The head of the response, or the handshake, has been sent: from now on there may be a good-bye."""
        self._opened = True
        if self._farewell:
            self._say_farewell(self._farewell)

    async def send(self, message: Message) -> None:
        """For what a task of the connection's own sends, which can wait: a history. Too slow a client is hung up on."""
        if self.finished:
            return
        self._quiet_since = None
        self._waited_for += 1
        try:
            await self._within_deadline(self._send(message))
        except TimeoutError:
            self.close(Close.TOO_SLOW)
        finally:
            self._waited_for -= 1
        if self._farewell and not self._over and not self._waited_for:
            self._say_farewell(self._farewell)

    def write(self, message: Message, events: Sequence[Sendable] = ()) -> None:
        """Send `message`, which says `events`; while the client is not reading, keep the events for later."""
        if self.finished:
            return
        self._quiet_since = None
        if events:
            self.stirred = True
        if self._task is None:
            self._start(message)
        elif not self._backlog.add(events):
            self.close(Close.TOO_SLOW)

    def write_events(self, events: Sequence[Sendable]) -> None:
        """The same, for events no other writer gets in this company."""
        if events:
            self.write(self.wire.encode(events), events)

    def keep_alive(self, now: float) -> None:
        """A word into a long silence, so that no proxy takes it for the end. To be called every second or so."""
        if self._quiet_since is None:
            self._quiet_since = now
        elif now - self._quiet_since >= KEEP_ALIVE_SECONDS and self._opened and not self._waited_for:
            try:
                message = self.wire.keep_alive()
            except Exception as error:
                return self._lost(error)
            if message is not None:
                self.write(message)

    def finish(self, close: Close, retry_ms: int | None = None) -> None:
        """Say good-bye after all that is waiting, and nothing after that."""
        if self.finished:
            return
        self._farewell = self.wire.farewell(close, retry_ms)
        if self._opened and self._task is None and not self._waited_for:
            self._say_farewell(self._farewell)

    def close(self, close: Close) -> None:
        """End the connection now; what was waiting is dropped."""
        if not self._over:
            log.info("client hung up on", action="writer.closed", reason=close.reason)
            self._end(close)

    async def aclose(self) -> None:
        """The connection is over: stop sending and wait until that has stopped."""
        self._over = True
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])

    def _say_farewell(self, farewell: Message) -> None:
        if not self._said_farewell and self._task is None:  # a task that is sending says it itself
            self._said_farewell = True
            self._start(farewell)

    def _start(self, message: Message) -> None:
        try:
            sending = self._send(message)
            assert isinstance(sending, Coroutine)
            suspended_at = sending.send(None)
        except StopIteration:
            return
        except Exception as error:
            self._lost(error)
        else:
            self._task = asyncio.get_running_loop().create_task(self._drain(Begun(sending, suspended_at)))

    async def _drain(self, rest: Awaitable[None]) -> None:
        """Finish the send that suspended, then send what has gathered, until nothing is left."""
        try:
            await self._within_deadline(rest)
            while self._backlog and not self._over:
                await self._within_deadline(self._send(self.wire.encode(self._backlog.take())))
            if self._farewell and not self._said_farewell and not self._over:
                self._said_farewell = True
                await self._within_deadline(self._send(self._farewell))
        except TimeoutError:
            self.close(Close.TOO_SLOW)
        except Exception as error:
            self._lost(error)
        finally:
            self._task = None

    async def _within_deadline(self, sending: Awaitable[None]) -> None:
        async with asyncio.timeout(MOST_SEND_SECONDS):
            await sending

    def _lost(self, error: Exception) -> None:
        """Most likely the client is gone; if it is not, it is not left on a connection that nobody writes to."""
        log.debug("client gone", action="writer.lost", error=repr(error))
        self._end(Close.RESTARTING)

    def _end(self, close: Close) -> None:
        self._over = True
        try:
            self._hang_up(close)
        except Exception:
            log.exception("connection not closed", action="writer.stuck")


class Backlog:
    """Events waiting for a slow client: of a job's progress only the latest, of all else everything, up to a bound."""

    __slots__ = ("_added", "_bytes", "_events")

    def __init__(self) -> None:
        self._added = 0
        self._events: dict[str | int, Sendable] = {}
        self._bytes = 0

    def __bool__(self) -> bool:
        return bool(self._events)

    def add(self, events: Iterable[Sendable]) -> bool:
        """False when the bound is passed."""
        for event in events:
            self._added += 1
            key = event.job_id if event.conflatable else self._added
            replaced = self._events.pop(key, None)
            self._bytes += len(event.line) - (len(replaced.line) if replaced else 0)
            self._events[key] = event
        return self._bytes <= MOST_BACKLOG_BYTES

    def take(self) -> list[Sendable]:
        """All of them, in order; the backlog is empty again."""
        events = list(self._events.values())
        self._events.clear()
        self._bytes = 0
        return events
