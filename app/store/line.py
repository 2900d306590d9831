"""The way to Redis for scripts: one connection that all calls of a client share. Used by `app/store/scripts.py`.

Calls made in one turn of the event loop leave in one write, and answers come in the order of the calls. It drives a
redis-py connection by hand: to take one from the pool for each call costs several times as much as the call.
"""

import asyncio
from asyncio import AbstractEventLoop, Future, Task
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple, TypeAlias
from weakref import WeakKeyDictionary, proxy

from hiredis import pack_command
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import ResponseError

Word: TypeAlias = str | bytes | int | float

MOST_UNDER_WAY: Final = 1_024
"""Calls beyond these wait until others have been answered."""

ANSWER_SECONDS: Final = 5.0
"""How long a call waits to be let in, and from then on for its answer."""


class Call(NamedTuple):
    """What is sent, and who waits for what comes back."""

    packed: bytes
    reply: Future[Any]


class Line:
    """One connection. It is the pool's, which closes it with its others; no task outlives the calls it carries.

    A call raises what Redis answers to it. When the connection is lost or an answer is late, all calls under way fail
    with a RedisError or an OSError: they may have happened. The next call connects anew.
    """

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool
        self._connection: AbstractConnection | None = None
        self._connecting: Task[AbstractConnection] | None = None
        self._lost = False
        self._room = asyncio.Semaphore(MOST_UNDER_WAY)
        self._waiting: list[Call] = []
        self._carriers: set[Task[None]] = set()
        self._aboard = 0
        self._writing, self._reading = asyncio.Lock(), asyncio.Lock()

    async def call(self, *command: Word) -> Any:
        """What Redis answers."""
        packed = _packed(command)
        await self._let_in()
        return await self._post(packed)

    async def call_all(self, commands: Iterable[Sequence[Word]]) -> list[Any]:
        """What Redis answers to each; it carries them out in order. Raises the first error once all are answered."""
        replies = []
        for packed in [_packed(command) for command in commands]:
            await self._let_in()
            replies.append(self._post(packed))
        if replies:
            await asyncio.wait(replies)
        return [reply.result() for reply in replies]

    async def _let_in(self) -> None:
        if self._room.locked():
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._room.acquire()
        else:
            await self._room.acquire()

    def _post(self, packed: bytes) -> Future[Any]:
        """Have it leave at the end of this turn."""
        call = Call(packed, asyncio.get_running_loop().create_future())
        if not self._waiting:
            carrier = asyncio.create_task(self._carry())
            self._carriers.add(carrier)
            carrier.add_done_callback(self._carriers.discard)
        self._waiting.append(call)
        return call.reply

    async def _carry(self) -> None:
        """Take the calls of one turn to Redis, and bring back the answers."""
        calls, self._waiting = self._waiting, []
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._exchange(calls)
        except Exception as error:
            for call in calls:
                _fail(call.reply, error)
        finally:
            for call in calls:
                call.reply.cancel()  # of those without an answer, when the loop ends
                self._room.release()

    async def _exchange(self, calls: Sequence[Call]) -> None:
        connecting = self._board()
        try:
            await self._converse(await asyncio.shield(connecting), calls)
        finally:
            self._aboard -= 1

    def _board(self) -> Task[AbstractConnection]:
        """Whoever comes first sees to the connection. A lost one is made anew only when all who used it are gone, as
        they could take answers for theirs that are not."""
        connecting = self._connecting
        if connecting is None or (connecting.done() and not self._aboard):
            self._lost, connecting = False, asyncio.create_task(self._connect())
            connecting.add_done_callback(_excuse)
            self._connecting = connecting
        self._aboard += 1
        return connecting

    async def _connect(self) -> AbstractConnection:
        async with asyncio.timeout(ANSWER_SECONDS):
            if self._connection is None:
                self._connection = await self._pool.get_connection()
                self._connection.socket_timeout = None  # the time limits are ours
            else:
                await self._pool.ensure_connection(self._connection)
            return self._connection

    async def _converse(self, connection: AbstractConnection, calls: Sequence[Call]) -> None:
        """Who writes first reads first."""
        try:
            async with self._writing:
                if self._lost or not connection.is_connected:  # redis-py would connect
                    raise ConnectionLost("The connection to Redis was lost.")
                await connection.send_packed_command([call.packed for call in calls], check_health=False)
            async with self._reading:
                for call in calls:
                    await _answer(call.reply, connection)
        except BaseException:
            self._lost = True
            await connection.disconnect(nowait=True)
            raise


def _packed(command: Sequence[Word]) -> bytes:
    packed: bytes = pack_command(tuple(command))  # type: ignore[arg-type]  # its stub knows commands of one word only
    return packed


async def _answer(reply: Future[Any], connection: AbstractConnection) -> None:
    try:
        answer = await connection.read_response(disable_decoding=True)
    except ResponseError as error:
        _fail(reply, error)
    else:
        if not reply.done():  # else the caller was cancelled
            reply.set_result(answer)


def _fail(reply: Future[Any], error: Exception) -> None:
    if not reply.done():
        reply.set_exception(error)
        _excuse(reply)


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
