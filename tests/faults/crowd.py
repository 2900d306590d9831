"""Attackers: connections that ask so slowly that it never comes whole, and that come again when they are cut off.

Plain sockets and one task, so that thousands of them leave the machine to what is tested.
"""

import asyncio
import socket
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Self

SILENCE: Final = b""
HEAD: Final = b"GET /api/jobs HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
BODY: Final = (
    b"POST /api/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 900000\r\n\r\n"
)
HANDSHAKE: Final = (
    b"GET /api/ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
)
TURNS_AWAY: Final = 2
"""Seconds until who was cut off comes again: at once, it would be a flood, which is for the kernel to bear."""

SLICES: Final = 20
"""Of each second: in one of them a twentieth of the crowd sends its byte."""


@dataclass(eq=False)
class Attacker:
    """One connection after another. `said` is what came back on the latest."""

    opening: bytes
    address: str
    unsent: bytes = b""
    said: bytearray = field(default_factory=bytearray)
    connection: socket.socket | None = None
    turns_away: int = 0

    def come(self, port: int) -> None:
        """Without waiting for it."""
        self.connection = socket.socket()
        self.connection.setblocking(False)
        self.connection.bind((self.address, 0))
        self.connection.connect_ex(("127.0.0.1", port))
        self.unsent = self.opening
        self.said.clear()

    def drip(self) -> bool:
        """The opening, or one byte of what never ends. False when it has been cut off."""
        assert self.connection
        try:
            if self.unsent or self.opening:
                self.unsent = self.unsent[self.connection.send(self.unsent or b"a") :]
            while data := self.connection.recv(4096):
                self.said += data
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def go(self) -> None:
        if self.connection:
            self.connection.close()
            self.connection = None


class Crowd:
    """So many of each opening, from each of the addresses in turn; they drip for as long as the block lasts.

    `cut` counts connections that the service ended, `told` the statuses it gave as a reason, 0 where it said nothing.
    """

    def __init__(self, port: int, openings: Sequence[bytes], count: int, addresses: Sequence[str]) -> None:
        self._port = port
        self._attackers = [
            Attacker(openings[n % len(openings)], addresses[n // len(openings) % len(addresses)]) for n in range(count)
        ]
        self.cut = 0
        self.told: Counter[int] = Counter()
        self._task: asyncio.Task[None]

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._press())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        for attacker in self._attackers:
            attacker.go()

    async def _press(self) -> None:
        while True:
            for slice_ in range(SLICES):
                for attacker in self._attackers[slice_::SLICES]:
                    self._have(attacker)
                await asyncio.sleep(1 / SLICES)

    def _have(self, attacker: Attacker) -> None:
        if attacker.turns_away:
            attacker.turns_away -= 1
        elif attacker.connection is None:
            attacker.come(self._port)
        elif not attacker.drip():
            self.cut += 1
            self.told[int(attacker.said[9:12] or 0)] += 1
            attacker.go()
            attacker.turns_away = TURNS_AWAY
