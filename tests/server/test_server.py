"""How the process stops."""

import asyncio
import logging

import pytest

from app.server import Listening, Server
from tests.server.serving import (
    RESTARTING,
    STREAM,
    UPGRADE,
    App,
    flooded_after_goodbye,
    nothing_to_drain,
    running,
)
from tests.watching import until


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

    async with running(drain, grace=4) as it, it.client() as client:
        await client.ask(STREAM, b"hello")
        assert await it.stopped() < 5.5
        assert given == [2]
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
    server = Server(Listening(App(), "127.0.0.1", 0), nothing_to_drain, 1)
    server.handle_exit(15, None)
    async with asyncio.timeout(20):
        await server.serve()


async def test_a_socket_that_comes_as_the_server_stops_is_turned_away_without_a_word_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running() as it, it.client() as client:
        it.app.shut = lambda: [each.shutdown() for each in list(it.server.server_state.connections)]
        client.writer.write(UPGRADE)
        assert (await client.rest()).startswith(b"HTTP/1.1 500 ")
        await until(lambda: it.app.left)
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
