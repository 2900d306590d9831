"""Our uvicorn, met by raw sockets: what ill-mannered clients cost."""

import asyncio
import socket

import pytest

from app.hub import Close
from app.server import http, transport
from app.server.http import HttpProtocol
from tests.server.serving import QUICK, RESTARTING, STREAM, UPGRADE, flooded_after_goodbye, problem_of, running
from tests.watching import until

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
        assert loop.time() - began < transport.LINGER_SECONDS / 2


async def test_a_socket_hung_up_on_is_told_why() -> None:
    async with running() as it, it.client() as client:
        await client.ask(UPGRADE, b"\r\n\r\n")
        it.app.held["/socket"]["call"](Close.RESTARTING)
        assert await client.rest() == RESTARTING
        it.app.held["/socket"]["call"](Close.RESTARTING)


async def test_hanging_up_on_a_socket_that_has_said_goodbye_is_no_error() -> None:
    async with running() as it, it.client() as client:
        await flooded_after_goodbye(it, client)
        it.app.held["/socket"]["call"](Close.RESTARTING)
        await until(lambda: it.app.left == ["/socket"])


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
    monkeypatch.setattr(http, "LINGER_SECONDS", 0.05)
    async with running() as it, it.client() as client:
        client.writer.write(b"?\r\n\r\n")
        await client.rest()
        await until(lambda: not it.server.server_state.connections)


class TestLateHeads:
    """A head has a deadline, however busy its connection looks."""

    async def test_a_client_that_says_nothing_is_left_without_a_word(self) -> None:
        async with running(head_seconds=0.1) as it, it.client() as client:
            assert await client.rest() == b""

    @pytest.mark.parametrize("before", [b"", QUICK], ids=["new", "kept alive"])
    async def test_a_head_that_does_not_end_is_refused(self, before: bytes) -> None:
        async with running(head_seconds=0.1) as it, it.client() as client:
            if before:
                await client.ask(before, b"\r\n\r\nok")
            client.writer.write(b"GET /quick HTTP/1.1\r\nHost:")
            assert problem_of(await client.rest())["code"] == "request_timeout"

    async def test_empty_lines_do_not_keep_a_connection(self) -> None:
        async with running(head_seconds=0.1) as it, it.client() as client:
            await client.ask(QUICK, b"\r\n\r\nok")
            client.writer.write(b"\r\n")
            assert await client.rest() == b""

    async def test_a_complete_head_has_all_the_time_it_needs(self) -> None:
        async with running(head_seconds=0.1) as it, it.client() as client:
            await client.ask(STREAM, b"hello")
            (connection,) = it.server.server_state.connections
            assert isinstance(connection, HttpProtocol)
            assert connection._head_deadline is None

    async def test_a_websocket_has_had_its_head(self) -> None:
        async with running(head_seconds=0.1) as it, it.client() as client:
            await client.ask(UPGRADE, b"\r\n\r\n")
            async with it.client() as later:
                assert await later.rest() == b""
            await until(lambda: "/socket" in it.app.held)
            assert it.app.left == []
            assert not client.reader.at_eof()

    async def test_an_idle_connection_is_kept(self) -> None:
        async with running(head_seconds=0.1) as it, it.client() as client:
            await client.ask(QUICK, b"\r\n\r\nok")
            (connection,) = it.server.server_state.connections
            assert isinstance(connection, HttpProtocol)
            assert connection._head_deadline is None
