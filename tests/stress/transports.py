"""The three ways to follow one job's numbered events, as clients that may hang up, or stop reading, at any moment.

Each is one connection: an iterator of events that ends with it. Raises `Over` when the server has said that nothing
more will come, ConnectionError or TimeoutError when the connection broke.
"""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, Final, TypeAlias

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage

SILENCE_SECONDS: Final = 40.0
"""Beyond the server's keep-alive; then a client gives up the connection."""
HANG_UP_SECONDS: Final = 0.2
"""Who hangs up does not wait for all that is still on its way to it."""
SMALL_BUFFER_BYTES: Final = 128 << 10
"""So that a client that stops reading is soon noticed by the server, and not hidden by the kernel's buffers."""
LONGEST_LINE: Final = 256 << 10
ENDED: Final = 1000
COME_AGAIN: Final = {1001, 1005, 1006, 1012, 4408, 4429}

Event: TypeAlias = dict[str, Any]
Events: TypeAlias = AsyncGenerator[Event, None]
Transport: TypeAlias = Callable[[int, str, int], Events]


class Over(Exception):
    """Nothing more will come of this job."""


class Refused(Exception):
    """An answer that a client of an accepted job must never get."""


async def sse(port: int, job_id: str, after: int) -> Events:
    """Server-Sent Events."""
    resume = f"Last-Event-ID: {after}\r\n" if after else ""
    async with aclosing(_stream(port, f"/api/jobs/{job_id}/events?after=0", resume)) as events:
        async for event in events:
            yield event


async def feed_by_sse(port: int) -> Events:
    """All jobs of the owner."""
    async with aclosing(_stream(port, "/api/events", "")) as events:
        async for event in events:
            yield event


async def feed_by_websocket(port: int) -> Events:
    """The same."""
    async with aclosing(lines(port, "/api/ws", json.dumps({"op": "subscribe", "feed": True}))) as frames:
        async for frame in frames:
            if "type" in frame:
                yield frame


async def _stream(port: int, target: str, head: str) -> Events:
    """Each frame is whole within a chunk, so that the lines between chunks can be passed over."""
    reader, writer = await _request(port, target, f"Accept: text/event-stream\r\n{head}")
    try:
        _expect(await _status(reader), (200, 204))
        while line := await _within(reader.readline()):
            if line.startswith(b"data: "):
                yield json.loads(line[6:])
    finally:
        writer.close()


async def log(port: int, job_id: str, after: int) -> Events:
    """The retained log as JSON, once."""
    reader, writer = await _request(port, f"/api/jobs/{job_id}/events?after={after}", "Accept: application/json\r\n")
    try:
        status = await _status(reader)
        if status in (429, 503):
            return
        _expect(status, (200,))
        while (await _within(reader.readline())).strip():
            pass
        content = json.loads(await _within(reader.read()))
    except ValueError as error:
        raise ConnectionError("cut off") from error
    finally:
        writer.close()
    for event in content["events"]:
        yield event


async def websocket(port: int, job_id: str, after: int) -> Events:
    """One job's socket."""
    async for line in lines(port, f"/api/jobs/{job_id}/ws?after={after}"):
        yield line


async def lines(
    port: int, target: str, first: str = "", on_open: Callable[[ClientConnection], None] = lambda _: None
) -> Events:
    """The objects a WebSocket of ours brings. `first` is sent; `on_open` is handed the connection, to send more."""
    try:
        async with connect(
            f"ws://127.0.0.1:{port}{target}",
            sock=_socket(port),
            compression=None,
            max_size=None,
            max_queue=2,
            ping_interval=None,
            close_timeout=HANG_UP_SECONDS,
            proxy=None,
        ) as connection:
            on_open(connection)
            if first:
                await connection.send(first)
            while True:
                text = await connection.recv(decode=True)
                for line in str(text).split("\n"):
                    yield json.loads(line)
    except ConnectionClosed as closed:
        code = closed.rcvd.code if closed.rcvd else 1006
        if code == ENDED:
            raise Over from None
        if code not in COME_AGAIN:
            raise Refused(f"close code {code}") from None
    except (InvalidHandshake, InvalidMessage) as error:
        raise ConnectionError(str(error)) from error


TRANSPORTS: Final[dict[str, Transport]] = {"sse": sse, "websocket": websocket, "log": log}


async def _request(port: int, target: str, head: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(sock=_socket(port), limit=LONGEST_LINE)
    writer.write(f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{head}\r\n".encode())
    return reader, writer


def _socket(port: int) -> socket.socket:
    """Connected, which on this machine takes no time, with little room for what is not read."""
    client = socket.socket()
    try:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER_BYTES)
        client.connect(("127.0.0.1", port))
    except OSError:
        client.close()
        raise
    client.setblocking(False)
    return client


async def _status(reader: asyncio.StreamReader) -> int:
    line = (await _within(reader.readline())).split(b" ")
    if len(line) < 2:
        raise ConnectionError("cut off")
    return int(line[1])


def _expect(status: int, expected: tuple[int, ...]) -> None:
    if status not in expected:
        raise Refused(f"status {status}")
    if status == 204:
        raise Over


async def _within(reading: Any) -> bytes:
    async with asyncio.timeout(SILENCE_SECONDS):
        content: bytes = await reading
        return content
