"""Our uvicorn with an app that holds what it is asked, and clients of raw sockets."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from app.errors import QUOTA_EXCEEDED
from app.limits import Connections
from app.server import HANG_UP, Listening, Server
from app.server.occupancy import Occupancy
from app.server.websocket import WebSocketProtocol
from tests.watching import until

STREAM = b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"
QUICK = b"GET /quick HTTP/1.1\r\nHost: x\r\n\r\n"
UPGRADE = (
    b"GET /socket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
CLOSE_FRAME = b"\x88\x82\0\0\0\0\x03\xe8"
RESTARTING = b"\x88\x0c\x03\xf4restarting"
FLOOD = b"y" * (4 << 20)
"""More than the kernel's buffers of both sides take."""


class App:
    """Answers `/quick` at once, holds `/slow` and `/stream` and sockets until their client is gone.

    `shut` is called before a socket is accepted, which is then let go.
    """

    def __init__(self) -> None:
        self.held: dict[str, dict[str, Any]] = {}
        self.left: list[str] = []
        self.clients: list[tuple[str, int]] = []
        self.flooding = False
        self.shut: Callable[[], object] | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return await _lifespan(receive, send)
        if scope["path"] == "/quick":
            return await _quick(send)
        self.clients.append(scope["client"])
        self.held[scope["path"]] = extension = scope["extensions"][HANG_UP]
        try:
            if scope["type"] == "websocket":
                await self._socket(extension, receive, send)
            else:
                await self._stream(scope["path"], extension, receive, send)
        finally:
            self.left.append(scope["path"])

    async def _stream(self, path: str, extension: Any, receive: Any, send: Any) -> None:
        if path == "/stream":
            extension["expect_reader"]()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"hello", "more_body": True})
        if self.flooding:
            await send({"type": "http.response.body", "body": FLOOD, "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass

    async def _socket(self, extension: Any, receive: Any, send: Any) -> None:
        if self.shut:
            self.shut()
        await send({"type": "websocket.accept"})
        if self.shut:
            return
        extension["expect_reader"]()
        if self.flooding:
            await send({"type": "websocket.send", "bytes": FLOOD})
        while (await receive())["type"] != "websocket.disconnect":
            pass


async def _lifespan(receive: Any, send: Any) -> None:
    for step in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{step}.complete"})


async def _quick(send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


class Client:
    """One connection, with little room for what it does not read."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ask(self, sent: bytes, until_bytes: bytes) -> bytes:
        self.writer.write(sent)
        async with asyncio.timeout(20):
            return await self.reader.readuntil(until_bytes)

    async def rest(self) -> bytes:
        """All until the server ends the connection."""
        async with asyncio.timeout(20):
            return await self.reader.read()

    async def close(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()


class Running:
    """A server with its app."""

    def __init__(self, app: App, server: Server, port: int) -> None:
        self.app = app
        self.server = server
        self.port = port
        self.task: asyncio.Task[None]

    @asynccontextmanager
    async def client(self, address: str = "127.0.0.1") -> AsyncIterator[Client]:
        """From that address; of 127.0.0.0/8 there are many."""
        raw = socket.create_connection(("127.0.0.1", self.port), source_address=(address, 0))
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client = Client(*await asyncio.open_connection(sock=raw, limit=4096))
        try:
            yield client
        finally:
            client.writer.transport.abort()

    @property
    def occupancy(self) -> Occupancy:
        assert isinstance(self.server.config, Listening)
        return self.server.config.occupancy

    def option(self, level: int, name: int) -> int:
        """Of the one connection there is."""
        (connection,) = self.server.server_state.connections
        value: int = connection.transport.get_extra_info("socket").getsockopt(level, name)
        return value

    def stop(self) -> None:
        self.server.handle_exit(15, None)

    async def stopped(self) -> float:
        """Seconds it takes from the signal to the end."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        self.stop()
        async with asyncio.timeout(20):
            await self.task
        return loop.time() - began


async def nothing_to_drain(_: float) -> None:
    """No streams."""


@asynccontextmanager
async def running(drain: Any = nothing_to_drain, grace: float = 1, **limits: Any) -> AsyncIterator[Running]:
    app = App()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server(Listening(app, "127.0.0.1", 0, Connections(**limits)), drain, grace)
        it = Running(app, server, listener.getsockname()[1])
        it.task = asyncio.create_task(server.serve(sockets=[listener]))
        await until(lambda: server.started)
        try:
            yield it
        finally:
            if not it.task.done():
                it.stop()
                it.stop()
            await it.task
            await until(lambda: not server.server_state.connections)


def problem_of(answer: bytes) -> dict[str, Any]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json\r\n" in head
    assert b"connection: close" in head
    problem: dict[str, Any] = json.loads(body)
    assert head.startswith(b"HTTP/1.1 %d " % problem["status"])
    assert problem["type"] in (f"/docs/errors#{problem['code']}", QUOTA_EXCEEDED[1])
    return problem


async def flooded_after_goodbye(it: Running, client: Client) -> None:
    """A socket whose client has closed its side while more than it takes is being sent."""
    it.app.flooding = True
    client.writer.write(UPGRADE)
    await until(lambda: "/socket" in it.app.held)
    (connection,) = it.server.server_state.connections
    assert isinstance(connection, WebSocketProtocol)
    client.writer.write(CLOSE_FRAME)
    await until(lambda: connection.conn.close_rcvd)
