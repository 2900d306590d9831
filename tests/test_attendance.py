"""What a connection is sent while nothing happens on it."""

from collections.abc import AsyncIterator
from contextlib import ExitStack

import pytest
from redis.asyncio import Redis

from app.auth.principal import USUAL, Principal
from app.events import Event
from app.hub import SSE, Close, Hub, Message, Wire, Writer
from app.hub.writer import KEEP_ALIVE_SECONDS
from app.jobs import EVERYBODY
from app.store import Filter, JobStore
from tests.ground import OWNER, accepted
from tests.watching import FailingWire, running_hub, until

ONE = Principal(OWNER, USUAL)


class Streamed:
    """Keeps the messages of an event stream."""

    def __init__(self, wire: Wire = SSE) -> None:
        self.sent: list[Message] = []
        self.hung_up: Close | None = None
        self.writer = Writer(wire, self._send, self._hang_up)

    async def _send(self, message: Message) -> None:
        self.sent.append(message)

    def _hang_up(self, close: Close) -> None:
        self.hung_up = close


@pytest.fixture
async def hub(redis: Redis, jobs: JobStore) -> AsyncIterator[Hub]:
    async with running_hub(redis, jobs) as (hub, _):
        yield hub


async def test_a_word_comes_into_the_silence_of_each_stream_whatever_others_hear(hub: Hub, jobs: JobStore) -> None:
    deaf, hears, alone, not_begun = (Streamed() for _ in range(4))
    with ExitStack() as open_streams:
        for stream in (deaf, hears, alone, not_begun):
            open_streams.enter_context(hub.attendance.admitted(ONE, stream.writer))
        everybody = hub.overview(EVERYBODY, alone.writer, Filter())
        await everybody.begin()
        for stream, wanted in ((deaf, Filter(kinds=frozenset({"rare"}))), (hears, Filter())):
            stream.writer.open()
            feed = hub.overview(OWNER, stream.writer, wanted)
            open_streams.callback(feed.close)
            await feed.begin()
            await feed.join()
        alone.writer.open()
        await hub.attendance.keep_alive(0)
        await accepted(jobs)
        await until(lambda: hears.sent)
        await hub.attendance.keep_alive(KEEP_ALIVE_SECONDS)
        everybody.close()
    assert deaf.sent == alone.sent == [SSE.keep_alive()]
    assert SSE.keep_alive() not in hears.sent
    assert not_begun.sent == []


async def test_a_silence_begins_anew_after_each_word_and_event(hub: Hub, jobs: JobStore) -> None:
    stream = Streamed()
    stream.writer.open()
    event = Event("a" * 26, 1, "log", 0, "{}")
    with hub.attendance.admitted(ONE, stream.writer):
        for now in range(100):
            if now == 50:
                stream.writer.write_events([event])
            await hub.attendance.keep_alive(now)
    word, told = SSE.keep_alive(), SSE.encode([event])
    assert stream.sent == [word, word, word, told, word, word, word]


async def test_a_stream_that_has_no_word_for_the_silence_costs_the_others_nothing(hub: Hub) -> None:
    broken, quiet = Streamed(FailingWire()), Streamed()
    with ExitStack() as open_streams:
        for stream in (broken, quiet):
            open_streams.enter_context(hub.attendance.admitted(ONE, stream.writer))
            stream.writer.open()
        for now in (0, KEEP_ALIVE_SECONDS):
            await hub.attendance.keep_alive(now)
    assert (broken.hung_up, quiet.sent) == (Close.RESTARTING, [SSE.keep_alive()])
