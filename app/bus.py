"""Redis pub/sub for one process: one connection, one reader, exact channels. Feeds the hub, and cancels to a worker.

It drives a redis-py connection by hand: its PubSub class costs several times as much per message and says neither
when a subscription is confirmed nor that messages were missed.
"""

import asyncio
from collections.abc import Callable, Iterable
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
    """`on_message(channel, payload)` is called for each message, in order; `on_reconnect()` when some may be missing."""

    def __init__(
        self, redis: Redis, on_message: Callable[[str, bytes], None], on_reconnect: Callable[[], None]
    ) -> None:
        self._pool = redis.connection_pool
        self._on_message = on_message
        self._on_reconnect = on_reconnect
        self._channels: dict[str, asyncio.Future[None]] = {}
        self._connection: AbstractConnection | None = None
        self._outbox: list[tuple[str, str]] = []
        self._writer: asyncio.Task[None] | None = None
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
        missed = False
        while True:
            try:
                await self._connect()
                if missed:
                    self._on_reconnect()
                missed, backoff = True, 0.1
                await self._read()
            except (RedisError, OSError, asyncio.TimeoutError) as error:
                log.warning("bus", action="bus.lost", error=str(error), retry_in=backoff)
            finally:
                await self._disconnect()
            await asyncio.sleep(backoff)
            backoff = min(backoff * 2, LONGEST_BACKOFF_SECONDS)

    async def _connect(self) -> None:
        self._connection = self._pool.make_connection()
        await self._connection.connect()
        self._outbox.clear()
        if self._channels:
            await self._send("SUBSCRIBE", self._channels)
        self.connected.set()

    async def _disconnect(self) -> None:
        self.connected.clear()
        connection, self._connection = self._connection, None
        if self._writer:
            self._writer.cancel()
            self._writer = None
        if connection:
            await connection.disconnect(nowait=True)
        for channel, confirmed in self._channels.items():
            if confirmed.done():
                self._channels[channel] = asyncio.get_running_loop().create_future()

    async def _read(self) -> None:
        assert self._connection
        probed = False
        while True:
            try:
                async with asyncio.timeout(SILENCE_SECONDS):
                    await self._read_some()
                probed = False
            except TimeoutError:
                if probed:
                    raise
                probed = True
                await self._connection.send_command("PING", check_health=False)

    async def _read_some(self) -> None:
        """At least one message, and what has come with it, up to a turn's worth."""
        assert self._connection
        for _ in range(MESSAGES_PER_TURN):
            match await self._connection.read_response(disable_decoding=True):
                case [b"message", channel, payload]:
                    self._on_message(channel.decode(), payload)
                case [b"subscribe", channel, _]:
                    self._confirm(channel.decode())
