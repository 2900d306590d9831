"""Clients that stop reading, among a hundred that read."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path
from statistics import quantiles
from typing import Any, Final

import pytest

from app.events import Event
from app.hub.wire import Close
from tests.faults.house import House, Web, until
from tests.faults.slow_client import SlowClient
from tests.faults.watcher import Watcher

READERS: Final = 100
SLOW: Final = 20
MOST_DELAY_SECONDS: Final = 0.05
MOST_GROWTH_BYTES: Final = 40 << 20
MOST_SEND_SECONDS: Final = 60.0
"""So long that what waits for a client has reached its bound before, also where this machine is slow."""

HURRIED_SECONDS: Final = 4.0
UNDISTURBED_SECONDS: Final = 2.0
PIPE_BYTES: Final = 300_000
"""More than fits between the hub and a slow client: the server's buffer, and the kernel's of both sides."""

ROUNDS: Final = 5
"""Another process's turn on this machine can look like a delay; one that is ours shows each time."""

Measured = Callable[[str, float], None]


@pytest.fixture
async def patient(short_path: Path) -> AsyncIterator[House]:
    async with House(short_path, hurry={"app.hub.writer.MOST_SEND_SECONDS": MOST_SEND_SECONDS}) as house:
        yield house


@pytest.fixture
async def hurried(short_path: Path) -> AsyncIterator[House]:
    async with House(short_path, hurry={"app.hub.writer.MOST_SEND_SECONDS": HURRIED_SECONDS}) as house:
        yield house


async def test_clients_that_do_not_read_delay_no_other_are_closed_too_slow_and_miss_nothing(
    patient: House, short_path: Path, measured: Measured
) -> None:
    web, gate = await patient.web(), short_path / "gate"
    await patient.worker()
    job_id = await web.submit("busy", gate=str(gate))
    async with reading(web, job_id) as readers, AsyncExitStack() as stack:
        slow: list[SlowClient] = []
        for _ in range(ROUNDS):
            without = await p99_of_delays(readers, asyncio.sleep(UNDISTURBED_SECONDS))
            before, began = web.resident_bytes, time.monotonic()
            late = [await stack.enter_async_context(client(web, job_id, n)) for n in range(SLOW)]
            slow += late
            beside = await p99_of_delays(readers, hung_up_on(web, len(slow)))
            took, growth = time.monotonic() - began, web.most_resident_bytes - before
            await asyncio.gather(*[each.read_rest() for each in late])
            if beside < without + MOST_DELAY_SECONDS:
                break
        measured("100 readers: p99 of an event's delay", without)
        measured(f"100 readers beside {SLOW} that do not read: p99 of an event's delay", beside)
        measured(f"MB of web for {SLOW} clients that do not read", growth / 1e6)
        assert beside < without + MOST_DELAY_SECONDS
        assert growth < MOST_GROWTH_BYTES
        assert took < MOST_SEND_SECONDS, "what waited for them had no bound but time"
        codes = {each.close_code for each in slow if each.websocket}
        assert codes - {None} == {Close.TOO_SLOW}, "None: it began to read only when even that was too late"
        gate.touch()
        await resume(web, patient, *late)
    assert all(reader.whole for reader in readers)


async def test_clients_that_take_nothing_for_long_are_closed_too_slow_however_little_waits(
    hurried: House, short_path: Path, measured: Measured
) -> None:
    house = hurried
    web, gate, lull = await house.web(), short_path / "gate", short_path / "lull"
    await house.worker()
    job_id = await web.submit("busy", gate=str(gate), lull=str(lull))
    async with client(web, job_id, 0) as by_socket, client(web, job_id, 1) as by_stream:
        stopped_at = time.monotonic()
        await told(house, job_id, PIPE_BYTES)
        lull.touch()
        await hung_up_on(web, 2)
        took = time.monotonic() - stopped_at
        measured("a client that does not read, with little to read: closed too slow", took)
        assert HURRIED_SECONDS - 1 < took < HURRIED_SECONDS + 8
        await asyncio.gather(by_socket.read_rest(), by_stream.read_rest())
        assert by_socket.close_code == Close.TOO_SLOW
        gate.touch()
        await resume(web, house, by_socket, by_stream)


@pytest.mark.parametrize("number", [0, 1], ids=["websocket", "sse"])
async def test_a_client_that_pauses_is_spared_stale_progress_and_gets_all_else(
    house: House, short_path: Path, number: int
) -> None:
    web, gate, lull = await house.web(), short_path / "gate", short_path / "lull"
    await house.worker()
    job_id = await web.submit("busy", gate=str(gate), lull=str(lull))
    async with reading(web, job_id, 1) as (reader,), client(web, job_id, number) as paused:
        await told(house, job_id, 2 * PIPE_BYTES)
        gate.touch()
        await paused.read_rest()
    assert paused.events[-1]["type"] == "completed", "its connection was cut"
    assert_nothing_missed(paused.events, await house.log(job_id))
    progress = sum(event["type"] == "progress" for event in paused.events)
    assert progress < reader.progress * 0.75, "it was sent what later progress had replaced"


class Reader:
    """An SSE client that reads all the time. `delays` are seconds from an event's own time to its arrival."""

    def __init__(self) -> None:
        self.delays: list[float] = []
        self.chunks: list[int] = []
        self.progress = 0
        self.opened = asyncio.Event()

    @property
    def whole(self) -> bool:
        """It has every chunk since its first."""
        return self.chunks == list(range(self.chunks[0], self.chunks[-1] + 1))

    async def read(self, port: int, job_id: str) -> None:
        """To the end of the stream."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 18)
        try:
            writer.write(f"GET /api/jobs/{job_id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            async for line in reader:
                if line.startswith(b"data: "):
                    self._take(json.loads(line[6:]), time.time())
        finally:
            writer.close()

    def _take(self, event: dict[str, Any], now: float) -> None:
        self.opened.set()
        self.progress += event["type"] == "progress"
        if event["type"] == "chunk":
            self.chunks.append(event["data"]["chunk"])
            self.delays.append(now - datetime.fromisoformat(event["at"]).timestamp())


@asynccontextmanager
async def reading(web: Web, job_id: str, count: int = READERS) -> AsyncIterator[list[Reader]]:
    """Clients that have joined; after the block they have seen the end."""
    readers = [Reader() for _ in range(count)]
    tasks = [asyncio.create_task(reader.read(web.port, job_id)) for reader in readers]
    try:
        for reader in readers:
            await reader.opened.wait()
        yield readers
        async with asyncio.timeout(60):
            await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def client(web: Web, job_id: str, number: int) -> SlowClient:
    """Every other by WebSocket."""
    return SlowClient(web.port, job_id, websocket=number % 2 == 0)


async def p99_of_delays(readers: Sequence[Reader], during: Awaitable[object]) -> float:
    """In seconds, of what comes while that is awaited."""
    for reader in readers:
        reader.delays.clear()
    await during
    return quantiles((delay for reader in readers for delay in reader.delays), n=100)[-1]


async def hung_up_on(web: Web, count: int) -> None:
    """Until so many clients have been."""

    async def all_are() -> bool:
        closed = [line["reason"] for line in web.lines() if line.get("action") == "writer.closed"]
        assert set(closed) <= {"too slow"}, closed
        return len(closed) == count

    await until(all_are)


async def told(house: House, job_id: str, size: int) -> None:
    """Until a busy job has told so much more."""
    first = (await house.job(job_id)).seq

    async def much() -> bool:
        chunks = [event for event in await house.log(job_id) if event.seq > first and event.type == "chunk"]
        return sum(len(event.data) for event in chunks) > size

    await until(much)


async def resume(web: Web, house: House, *clients: SlowClient) -> None:
    """They go on from the last event they have read, by SSE, and in the end have them all."""
    watchers = [Watcher(each.job_id, lambda: [web.port]) for each in clients]
    for each, watcher in zip(clients, watchers, strict=True):
        watcher.events += each.events[1:]
    async with asyncio.timeout(90):
        await asyncio.gather(*[watcher.follow() for watcher in watchers])
    log = await house.log(clients[0].job_id)
    for each, watcher in zip(clients, watchers, strict=True):
        assert_nothing_missed([each.events[0], *watcher.events], log)


def assert_nothing_missed(events: Sequence[dict[str, Any]], log: Sequence[Event]) -> None:
    """A snapshot, then every retained event that is newer, once and in order."""
    snapshot, *numbered = events
    assert snapshot["type"] == "snapshot"
    seqs = [event["seq"] for event in numbered]
    assert seqs == sorted(set(seqs)), f"repeated or out of order: {seqs}"
    missing = {event.seq for event in log if event.seq > snapshot["seq"]} - set(seqs)
    assert not missing, f"never seen: {sorted(missing)}"
