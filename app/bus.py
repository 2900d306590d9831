"""Redis pub/sub for one process: one connection, one reader, exact channels. Feeds the hub, and cancels to a worker.

It drives a redis-py connection by hand: redis-py's PubSub costs several times as much per message, and says neither
when a subscription is confirmed nor that messages were missed.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from itertools import groupby
from operator import itemgetter
from typing import Final

import structlog
from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError

log = structlog.get_logger()

SILENCE_SECONDS: Final = 5.0
"""After this long without a word the server is pinged; after as long again the connection is given up."""

LONGEST_BACKOFF_SECONDS: Final = 5.0

MESSAGES_PER_TURN: Final = 500
"""Read in one go before the loop gets its turn, so that a flood cannot starve the senders."""


class Bus:
    """`on_message(channel, payload)` is called for each message, in order.

    `on_reconnect()` is called when some may have been missed, and every channel is subscribed again.
    """

    def __init__(
        self, redis: Redis, on_message: Callable[[str, bytes], None], on_reconnect: Callable[[], None]
    ) -> None:
        self._pool = redis.connection_pool
        self._on_message = on_message
        self._on_reconnect = on_reconnect
        self._channels: dict[str, asyncio.Future[None]] = {}
        self._unconfirmed: Counter[str] = Counter()
        self._returning: set[str] = set()
        self._outbox: list[tuple[str, str]] = []
        self._posted = asyncio.Event()
        self._missed = False
        self._heard = False
        self.connected = asyncio.Event()

    async def subscribe(self, channel: str) -> None:
        """Returns when Redis has confirmed: what is published from then on arrives. Waits while Redis is away."""
        confirmed = self._channels.get(channel)
        if confirmed is None:
            confirmed = self._channels[channel] = asyncio.get_running_loop().create_future()
            self._post("SUBSCRIBE", channel)
        await asyncio.shield(confirmed)

    def unsubscribe(self, channel: str) -> None:
        """Nothing more of the channel is wanted."""
        confirmed = self._channels.pop(channel, None)
        if confirmed is not None:
            confirmed.cancel()
            self._post("UNSUBSCRIBE", channel)

    async def run(self) -> None:
        """Keep connected and read, until cancelled."""
        backoff = 0.1
        while True:
            try:
                connection = await self._connect()
                backoff = 0.1
                await self._serve(connection)
            except (RedisError, OSError) as error:
                log.warning("redis pub/sub lost", action="bus.lost", error=str(error), retry_in_seconds=backoff)
            self._missed = True
            await asyncio.sleep(backoff)
            backoff = min(backoff * 2, LONGEST_BACKOFF_SECONDS)

    async def _connect(self) -> AbstractConnection:
        connection: AbstractConnection = self._pool.make_connection()  # type: ignore[no-untyped-call]  # redis-py
        await connection.connect()  # type: ignore[no-untyped-call]  # redis-py
        connection.socket_timeout = None  # silence is normal here; the watch below decides what is too long
        for channel, confirmed in self._channels.items():
            if confirmed.done():
                self._channels[channel] = asyncio.get_running_loop().create_future()
        self._unconfirmed, self._returning = Counter(list(self._channels)), set(self._channels)
        self._outbox = [("SUBSCRIBE", channel) for channel in self._channels]
        self._posted.set()
        self._missed = self._missed and bool(self._channels)
        return connection

    async def _serve(self, connection: AbstractConnection) -> None:
        """Read, write and watch until one of them fails."""
        self.connected.set()
        reader = asyncio.ensure_future(self._read(connection))
        others = [asyncio.ensure_future(self._write(connection)), asyncio.ensure_future(self._watch(connection))]
        try:
            _heed_cancel()
            done, _ = await asyncio.wait([reader, *others], return_when=asyncio.FIRST_COMPLETED)
            done.pop().result()
        finally:
            self.connected.clear()
            for task in (reader, *others):
                task.cancel()
            await asyncio.gather(reader, *others, return_exceptions=True)
            await connection.disconnect(nowait=True)

    async def _read(self, connection: AbstractConnection) -> None:
        while True:
            for _ in range(MESSAGES_PER_TURN):
                match await connection.read_response(disable_decoding=True):
                    case [b"message", channel, payload]:
                        self._hand_on(channel.decode(), payload)
                    case [b"subscribe", channel, _]:
                        self._confirm(channel.decode())
                self._heard = True
            await asyncio.sleep(0)

    async def _write(self, connection: AbstractConnection) -> None:
        while True:
            await self._posted.wait()
            self._posted.clear()
            posted, self._outbox = self._outbox, []
            for verb, pairs in groupby(posted, key=itemgetter(0)):
                await self._say(connection, verb, *(channel for _, channel in pairs))

    async def _say(self, connection: AbstractConnection, *command: str) -> None:
        """A connection that takes nothing any more is as good as lost."""
        async with asyncio.timeout(SILENCE_SECONDS):
            await connection.send_command(*command, check_health=False)

    def _hand_on(self, channel: str, payload: bytes) -> None:
        """What is wrong with one message must not cost the others."""
        try:
            self._on_message(channel, payload)
        except Exception:
            log.exception("message not understood", action="bus.message_failed", channel=channel)

    async def _watch(self, connection: AbstractConnection) -> None:
        """A half-open connection is silent for ever; one that answers a ping is not."""
        while True:
            await self._silence()
            await self._say(connection, "PING")
            await asyncio.sleep(SILENCE_SECONDS)
            if not self._heard:
                raise ConnectionError("Redis does not answer.")

    async def _silence(self) -> None:
        self._heard = True
        while self._heard:
            self._heard = False
            await asyncio.sleep(SILENCE_SECONDS)

    def _post(self, verb: str, channel: str) -> None:
        if self.connected.is_set():  # else the next connection starts from the channels there are then
            if verb == "SUBSCRIBE":
                self._unconfirmed[channel] += 1
            self._outbox.append((verb, channel))
            self._posted.set()

    def _confirm(self, channel: str) -> None:
        """Only the last of several SUBSCRIBEs counts: the one before may have been followed by an UNSUBSCRIBE."""
        self._unconfirmed[channel] -= 1
        if self._unconfirmed[channel] <= 0:
            del self._unconfirmed[channel]
            confirmed = self._channels.get(channel)
            if confirmed is not None and not confirmed.done():
                confirmed.set_result(None)
        self._returning.discard(channel)
        if self._missed and not self._returning:  # whoever has come since is none of these, and waits for nobody
            self._missed = False
            self._on_reconnect()


def _heed_cancel() -> None:
    """Python 3.11's `wait_for`, by which redis-py sends as it connects, can swallow one (python/cpython#86296)."""
    task = asyncio.current_task()
    if task and task.cancelling():
        raise asyncio.CancelledError
