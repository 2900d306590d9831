"""Our uvicorn, met by raw sockets: what ill-mannered clients cost, and how the process stops."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from app import server as server_module
from app.hub import Close
from app.server import HANG_UP, Server, config
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
    """Answers `/quick` at once, holds `/slow` and `/stream` and sockets until their client is gone."""

    def __init__(self) -> None:
        self.held: dict[str, dict[str, Any]] = {}
        self.left: list[str] = []
        self.flooding = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return await _lifespan(receive, send)
        if scope["path"] == "/quick":
            return await _quick(send)
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
        await send({"type": "websocket.accept"})
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
    async def client(self) -> AsyncIterator[Client]:
        raw = socket.create_connection(("127.0.0.1", self.port))
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client = Client(*await asyncio.open_connection(sock=raw, limit=4096))
        try:
            yield client
        finally:
            client.writer.transport.abort()

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


async def _nothing_to_drain(_: float) -> None:
    """No streams."""


@asynccontextmanager
async def running(drain: Any = _nothing_to_drain, grace: float = 1) -> AsyncIterator[Running]:
    app = App()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server(config(app, "127.0.0.1", 0), drain, grace)
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
    assert problem["type"] == f"/docs/errors#{problem['code']}"
    return problem


# Who leaves


@pytest.mark.parametrize("path", ["/stream", "/slow"])
async def test_a_request_behind_an_open_one_does_not_hide_that_the_client_leaves(path: str) -> None:
    async with running() as it, it.client() as client:
        await client.ask(STREAM.replace(b"/stream", path.encode()), b"hello")
        client.writer.write(QUICK)
        if path == "/slow":  # uvicorn reads nothing while a request waits; the end of the connection is the server's
            await until(lambda: any(getattr(c, "pipeline", None) for c in it.server.server_state.connections))
            it.app.held[path]["call"](Close.TOO_SLOW)
        await client.close()
        await until(lambda: it.app.left == [path])


async def test_a_request_sent_together_with_a_streams_is_dropped_and_the_stream_goes_on() -> None:
    async with running() as it, it.client() as client:
        head = await client.ask(STREAM + QUICK, b"hello")
        assert b"connection: close\r\n" in head
        assert it.app.left == []
        await client.close()
        await until(lambda: it.app.left == ["/stream"])


@pytest.mark.parametrize("path", ["/stream", "/slow"])
async def test_an_upgrade_inside_an_open_answer_leaks_nothing(path: str) -> None:
    async with running() as it, it.client() as client:
        await client.ask(STREAM.replace(b"/stream", path.encode()), b"hello")
        client.writer.write(UPGRADE)
        await client.close()
        await until(lambda: it.app.left == [path])
        assert list(it.app.held) == [path]


async def test_plain_requests_may_still_be_pipelined() -> None:
    async with running() as it, it.client() as client:
        await client.ask(QUICK + QUICK, b"\r\n\r\nok")
        await client.ask(b"", b"\r\n\r\nok")


# Who does not read


@pytest.mark.parametrize(("request_", "path"), [(STREAM, "/stream"), (UPGRADE, "/socket")])
async def test_for_a_restart_a_client_that_does_not_read_is_cut_off_quickly(request_: bytes, path: str) -> None:
    async with running() as it, it.client() as client:
        it.app.flooding = True
        client.writer.write(request_)
        await until(lambda: path in it.app.held)
        loop = asyncio.get_running_loop()
        began = loop.time()
        it.app.held[path]["call"](Close.RESTARTING)
        await until(lambda: it.app.left == [path])
        await until(lambda: not it.server.server_state.connections)
        assert loop.time() - began < server_module.LINGER_SECONDS / 2


async def test_a_socket_hung_up_on_is_told_why() -> None:
    async with running() as it, it.client() as client:
        await client.ask(UPGRADE, b"\r\n\r\n")
        it.app.held["/socket"]["call"](Close.RESTARTING)
        assert await client.rest() == RESTARTING
        it.app.held["/socket"]["call"](Close.RESTARTING)


async def flooded_after_goodbye(it: Running, client: Client) -> None:
    """A socket whose client has closed its side while more than it takes is being sent."""
    it.app.flooding = True
    client.writer.write(UPGRADE)
    await until(lambda: "/socket" in it.app.held)
    (connection,) = it.server.server_state.connections
    assert isinstance(connection, server_module.WebSocketProtocol)
    client.writer.write(CLOSE_FRAME)
    await until(lambda: connection.conn.close_rcvd)


async def test_hanging_up_on_a_socket_that_has_said_goodbye_is_no_error() -> None:
    async with running() as it, it.client() as client:
        await flooded_after_goodbye(it, client)
        it.app.held["/socket"]["call"](Close.RESTARTING)
        await until(lambda: it.app.left == ["/socket"])


# How it stops


async def test_a_congested_socket_that_has_said_goodbye_does_not_break_the_shutdown() -> None:
    async with running(grace=5) as it, it.client() as client:
        await flooded_after_goodbye(it, client)
        assert await it.stopped() < 3
        assert not it.task.exception()


async def test_a_socket_open_at_the_stop_is_told_to_come_back() -> None:
    async with running() as it, it.client() as client:
        await client.ask(UPGRADE, b"\r\n\r\n")
        await it.stopped()
        assert await client.rest() == RESTARTING


async def test_drain_and_stop_share_one_grace() -> None:
    given = []

    async def drain(seconds: float) -> None:
        given.append(seconds)
        await asyncio.sleep(seconds)

    async with running(drain, grace=1) as it, it.client() as client:
        await client.ask(STREAM, b"hello")
        assert await it.stopped() < 1.4
        assert given == [0.5]
        assert it.app.left == ["/stream"]


async def test_a_drain_that_hangs_is_given_up_after_the_grace() -> None:
    async def drain(_: float) -> None:
        await asyncio.Event().wait()

    async with running(drain, grace=0.2) as it:
        await it.stopped()
        assert it.server._draining
        assert isinstance(it.server._draining.exception(), TimeoutError)


async def test_a_second_signal_stops_at_once() -> None:
    drained = asyncio.Event()

    async def drain(_: float) -> None:
        drained.set()
        await asyncio.Event().wait()

    async with running(drain, grace=60) as it, it.client() as client:
        await client.ask(STREAM, b"hello")
        it.stop()
        await drained.wait()
        assert await it.stopped() < 10


async def test_a_signal_before_the_start_is_heeded_after_it() -> None:
    server = Server(config(App(), "127.0.0.1", 0), _nothing_to_drain, 1)
    server.handle_exit(15, None)
    async with asyncio.timeout(20):
        await server.serve()


# What the kernel is told


async def test_a_paused_download_is_probed_and_a_stream_must_be_read() -> None:
    async with running() as it, it.client() as client:
        await client.ask(QUICK, b"ok")
        assert it.option(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert it.option(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 30
        assert it.option(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 0
        await client.ask(STREAM, b"hello")
        assert it.option(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000


async def test_a_socket_must_be_read_too() -> None:
    async with running() as it, it.client() as client:
        await client.ask(UPGRADE, b"\r\n\r\n")
        await until(lambda: it.option(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000)


# The head of a request


@pytest.mark.parametrize(
    ("head", "refused"),
    [
        (b"GET /quick HTTP/1.1\r\nHost: x\r\n" + b"A: %s\r\n" % (b"a" * 1000) * 70, (431, "headers_too_large")),
        (b"GET /quick HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 70_000, (431, "headers_too_large")),
        (b"GET /" + b"a" * 70_000, (414, "target_too_long")),
    ],
    ids=["many headers", "one header without end", "a path without end"],
)
async def test_a_head_beyond_the_bound_is_refused_as_a_problem(head: bytes, refused: tuple[int, str]) -> None:
    async with running() as it, it.client() as client:
        client.writer.write(head)
        problem = problem_of(await client.rest())
        assert (problem["status"], problem["code"]) == refused


async def test_a_large_head_within_the_bound_is_fine_however_it_comes() -> None:
    async with running() as it, it.client() as client:
        for _ in range(2):
            client.writer.write(b"GET /quick HTTP/1.1\r\nHost: x\r\n")
            for _ in range(6):
                await client.writer.drain()
                client.writer.write(b"A: %s\r\n" % (b"a" * 10_000))
            await client.ask(b"\r\n", b"\r\n\r\nok")


async def test_what_is_no_http_is_refused_as_a_problem() -> None:
    async with running() as it, it.client() as client:
        client.writer.write(b"\x16\x03\x01\r\n\r\n")
        assert problem_of(await client.rest())["code"] == "invalid_request"


async def test_a_client_that_goes_on_sending_after_its_refusal_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "LINGER_SECONDS", 0.05)
    async with running() as it, it.client() as client:
        client.writer.write(b"?\r\n\r\n")
        await client.rest()
        await until(lambda: not it.server.server_state.connections)


class TestLateHeads:
    """A head has a deadline, however busy its connection looks."""

    @pytest.fixture(autouse=True)
    def _short_deadline(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(server_module, "HEAD_SECONDS", 0.1)

    async def test_a_client_that_says_nothing_is_left_without_a_word(self) -> None:
        async with running() as it, it.client() as client:
            assert await client.rest() == b""

    @pytest.mark.parametrize("before", [b"", QUICK], ids=["new", "kept alive"])
    async def test_a_head_that_does_not_end_is_refused(self, before: bytes) -> None:
        async with running() as it, it.client() as client:
            if before:
                await client.ask(before, b"\r\n\r\nok")
            client.writer.write(b"GET /quick HTTP/1.1\r\nHost:")
            assert problem_of(await client.rest())["code"] == "request_timeout"

    async def test_empty_lines_do_not_keep_a_connection(self) -> None:
        async with running() as it, it.client() as client:
            await client.ask(QUICK, b"\r\n\r\nok")
            client.writer.write(b"\r\n")
            assert await client.rest() == b""

    async def test_a_complete_head_has_all_the_time_it_needs(self) -> None:
        async with running() as it, it.client() as client:
            await client.ask(STREAM, b"hello")
            (connection,) = it.server.server_state.connections
            assert isinstance(connection, server_module.HttpProtocol)
            assert connection._head_deadline is None

    async def test_a_websocket_has_had_its_head(self) -> None:
        async with running() as it, it.client() as client:
            await client.ask(UPGRADE, b"\r\n\r\n")
            async with it.client() as later:
                assert await later.rest() == b""
            await until(lambda: "/socket" in it.app.held)
            assert it.app.left == []
            assert not client.reader.at_eof()

    async def test_an_idle_connection_is_kept(self) -> None:
        async with running() as it, it.client() as client:
            await client.ask(QUICK, b"\r\n\r\nok")
            (connection,) = it.server.server_state.connections
            assert isinstance(connection, server_module.HttpProtocol)
            assert connection._head_deadline is None
