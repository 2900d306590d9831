"""Clients whose machine has gone without a word: nothing says so, and what is sent to them is lost."""

import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from app.store.jobs import job_channel
from tests.faults.house import House, Web, until, until_all
from tests.faults.island import Island
from tests.ground import accepted

CLIENTS: Final = 5
HURRY: Final = {
    "app.hub.writer.KEEP_ALIVE_SECONDS": 1,
    "app.server.listening.PING_SECONDS": 1,
    "app.server.transport.READER_TIMEOUT_MS": 2_000,
}
"""Until the next word into the silence, until the next ping and the answer to it, and until what was said is taken."""
MOST_SECONDS: Final = 15.0
"""The sum of these, and what timers are late."""

Measured = Callable[[str, float], None]


@pytest.fixture
async def house(short_path: Path) -> AsyncIterator[House]:
    async with House(short_path, hurry=HURRY) as house:
        yield house


@pytest.fixture
def island(short_path: Path) -> Iterator[Island]:
    island = Island(short_path / "island.sock")
    yield island
    island.close()


async def test_idle_watchers_that_have_vanished_are_noticed_and_leave_nothing_behind(
    house: House, island: Island, measured: Measured
) -> None:
    web = await house.web(prefix=island.prefix, reachable=False)
    await until(lambda: answers(island, web))
    streamed, socketed = await accepted(house.jobs), await accepted(house.jobs)
    clients = await connected(house, island, web, streamed, socketed)
    await until_all(lambda: [web.connections == len(clients)])
    island.cut()
    cut_at = time.monotonic()
    await until(lambda: unwatched(house, socketed))
    measured("vanished WebSocket clients noticed", time.monotonic() - cut_at)
    await until(lambda: unwatched(house, streamed))
    measured("vanished SSE clients noticed", time.monotonic() - cut_at)
    assert time.monotonic() - cut_at < MOST_SECONDS
    await until_all(lambda: [web.connections == 0])
    for client in clients:
        client.close()


async def connected(house: House, island: Island, web: Web, streamed: str, socketed: str) -> list[socket.socket]:
    """Clients of both jobs, which web has begun to serve."""
    clients = []
    for _ in range(CLIENTS):
        clients += [
            ask(island, web, f"/api/jobs/{streamed}/events"),
            ask(island, web, f"/api/jobs/{socketed}/ws", *UPGRADE),
        ]
    for client in clients:
        seen = b""
        while b'"snapshot"' not in seen:
            seen += client.recv(1 << 16)
    return clients


UPGRADE: Final = (
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
)


def ask(island: Island, web: Web, path: str, *headers: str) -> socket.socket:
    """A connection inside, with a request on it."""
    connection = island.connect(web.port)
    assert connection
    connection.settimeout(30)
    connection.sendall("\r\n".join([f"GET {path} HTTP/1.1", "Host: localhost", *headers, "", ""]).encode())
    return connection


async def answers(island: Island, web: Web) -> bool:
    """As `Web.ready`, from inside."""
    connection = island.connect(web.port)
    if connection is None:
        return False
    with connection:
        connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return connection.recv(1 << 16).startswith(b"HTTP/1.1 200 ")


async def unwatched(house: House, *job_ids: str) -> bool:
    """No process listens for these."""
    counts = await house.redis.pubsub_numsub(*map(job_channel, job_ids))
    return not any(count for _, count in counts)
