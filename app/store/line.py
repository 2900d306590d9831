"""The way to Redis for scripts: one connection that all calls of a client share. Used by `app/store/scripts.py`.

Calls made in one turn of the event loop leave in few writes, and answers come in the order of the calls. redis-py makes
the connection, with all its settings; then its transport is taken over here, as to go through a pool, a lock or a task
for each call costs several times as much as the call.
"""

import asyncio
from asyncio import AbstractEventLoop, Future, Task
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple, TypeAlias, cast
from weakref import WeakKeyDictionary, proxy

import hiredis
from redis._parsers.base import BaseParser
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as AnswerIsLate

Word: TypeAlias = str | bytes | int | float

MOST_UNDER_WAY: Final = 1_024
"""Calls beyond these wait until others have been answered."""

MOST_TOGETHER: Final = 32
"""Calls that leave in one write. Were it all of a turn, Redis would have nothing to do until the turn ends, and this
process nothing until Redis is through. Of 8, 16, 32 and all, this is the fastest where 256 clients submit or poll."""

ANSWER_SECONDS: Final = 5.0
"""How long a call waits for the connection, then to be let in, and from then on for its answer."""

MORE_TO_COME: Final = object()


class Call(NamedTuple):
    """Who waits for an answer, and since when."""

    answer: Future[Any]
    sent_at: float


class Wire(asyncio.Protocol):
    """One connection, from the moment it is ready to its end. When it is lost or an answer is late, all calls under way
    fail with a RedisError: they may have happened."""

    def __init__(self, connection: AbstractConnection) -> None:
        self.lost = False
        self._loop = asyncio.get_running_loop()
        assert connection._writer is not None
        self._transport = cast(asyncio.Transport, connection._writer.transport)
        self._before = self._transport.get_protocol()
        self._transport.set_protocol(self)
        self._replies = hiredis.Reader(replyError=BaseParser.parse_error, notEnoughData=MORE_TO_COME)
        self._waiting: deque[Future[None]] = deque()  # for room; a semaphore would cost each call more than this
        self._calls: deque[Call] = deque()
        self._to_send: list[bytes] = []
        self._deadline: asyncio.TimerHandle | None = None

    @property
    def under_way(self) -> int:
        """Calls that have no answer yet."""
        return len(self._calls)

    async def send(self, packed: bytes) -> Future[Any]:
        """Have it leave by the end of this turn. Raises ConnectionLost or TimeoutError."""
        if self._waiting or len(self._calls) >= MOST_UNDER_WAY:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._wait_for_room()
        if self.lost:
            raise ConnectionLost("The connection to Redis was lost.")
        if not self._to_send:
            self._loop.call_soon(self._flush)
        self._to_send.append(packed)
        call = Call(self._loop.create_future(), self._loop.time())
        self._calls.append(call)
        if len(self._to_send) == MOST_TOGETHER:
            self._flush()
        if self._deadline is None:
            self._expect_by(call.sent_at + ANSWER_SECONDS)
        return call.answer

    async def _wait_for_room(self) -> None:
        """Behind those who wait already. Whoever is called in and finds the room taken waits again."""
        while True:
            waiting = self._loop.create_future()
            self._waiting.append(waiting)
            try:
                await waiting
            except asyncio.CancelledError:
                self._call_in(MOST_UNDER_WAY - len(self._calls))  # it may have been called in for another's good
                raise
            if len(self._calls) < MOST_UNDER_WAY:
                return

    def _call_in(self, room: int) -> None:
        while room > 0 and self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(None)
                room -= 1

    def _flush(self) -> None:
        packed, self._to_send = self._to_send, []
        if packed and not self._transport.is_closing():  # else `connection_lost` will tell who waits
            self._transport.writelines(packed)

    def _expect_by(self, moment: float) -> None:
        self._deadline = self._loop.call_at(moment, self._look_at_oldest)

    def _look_at_oldest(self) -> None:
        """One timer serves all calls: it moves on to the oldest whenever it rings."""
        self._deadline = None
        if not self._calls:
            return
        due = self._calls[0].sent_at + ANSWER_SECONDS
        if due > self._loop.time():
            self._expect_by(due)
        else:
            self._end(AnswerIsLate("Redis has not answered in time."))

    def data_received(self, data: bytes) -> None:
        self._replies.feed(data)
        try:
            while (reply := self._replies.gets()) is not MORE_TO_COME:
                _settle(self._calls.popleft().answer, reply)
            self._call_in(MOST_UNDER_WAY - len(self._calls))
        except (hiredis.HiredisError, IndexError) as error:
            self._end(ConnectionLost(f"Redis answers what nobody has asked: {error}."))

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(ConnectionLost(f"The connection to Redis was lost: {exc or 'closed'}."))
        self._before.connection_lost(exc)  # redis-py waits for it where it closes the connection

    def _end(self, error: RedisError) -> None:
        self.lost = True
        self._transport.abort()
        while self._calls:
            _settle(self._calls.popleft().answer, error)
        self._call_in(len(self._waiting))
        if self._deadline is not None:
            self._deadline.cancel()


class Line:
    """A wire, and another when that is lost. The connection is the pool's, which closes it with its others."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool
        self._connection: AbstractConnection | None = None
        self._connecting: Task[Wire] | None = None
        self._wire: Wire | None = None

    async def call(self, *command: Word) -> Any:
        """What Redis answers. Raises what it answers, a RedisError or an OSError."""
        packed = _packed(command)
        wire = self._ready or await self._connected()
        return await (await wire.send(packed))

    async def call_all(self, commands: Iterable[Sequence[Word]]) -> list[Any]:
        """What Redis answers to each; it carries them out in order. Raises the first error once all are answered."""
        packed = [_packed(command) for command in commands]
        wire = self._ready or await self._connected()
        answers = [await wire.send(each) for each in packed]
        replies = await asyncio.gather(*answers, return_exceptions=True)
        if error := next((reply for reply in replies if isinstance(reply, BaseException)), None):
            raise error
        return replies

    @property
    def _ready(self) -> Wire | None:
        return None if self._wire is None or self._wire.lost else self._wire

    async def _connected(self) -> Wire:
        """Whoever comes first sees to the connection, all wait for that."""
        if self._connecting is None or self._connecting.done():
            self._connecting = asyncio.create_task(self._connect())
            self._connecting.add_done_callback(_excuse)
        return await asyncio.shield(self._connecting)

    async def _connect(self) -> Wire:
        async with asyncio.timeout(ANSWER_SECONDS):
            if self._connection is None:
                self._connection = await self._pool.get_connection()
            else:
                await self._connection.disconnect(nowait=True)
                await self._pool.ensure_connection(self._connection)
        self._wire = Wire(self._connection)
        return self._wire


def _packed(command: Sequence[Word]) -> bytes:
    packed: bytes = hiredis.pack_command(tuple(command))  # type: ignore[arg-type]  # its stub has one word
    return packed


def _settle(answer: Future[Any], reply: Any) -> None:
    if answer.done():  # the caller was cancelled
        return
    if isinstance(reply, Exception):
        answer.set_exception(reply)
    else:
        answer.set_result(reply)


def _excuse(failed: Future[Any]) -> None:
    """That nobody asks for its exception is no mistake: who would have may have been cancelled."""
    if not failed.cancelled():
        failed.exception()


_LINES: Final[WeakKeyDictionary[ConnectionPool, WeakKeyDictionary[AbstractEventLoop, Line]]] = WeakKeyDictionary()


def line_of(redis: Redis) -> Line:
    """The one line of this client on the running loop; it lives as long as both."""
    pool, loop = redis.connection_pool, asyncio.get_running_loop()
    lines = _LINES.get(pool) or _LINES.setdefault(pool, WeakKeyDictionary())
    return lines.get(loop) or lines.setdefault(loop, Line(proxy(pool)))
