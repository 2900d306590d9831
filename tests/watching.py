"""Clients as the hub sees them: an ASGI `send` that keeps what it is given, and can stop reading."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import Redis

from app.bus import Bus
from app.hub import LINES, Ages, Attendance, Close, Hub, Message, Subscription, Writer
from app.hub.wire import LinesWire, Sendable
from app.store import BatchStore, JobStore, Listing


async def until(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait until the condition holds; the deadline only ends a test that has failed."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.002)


class Client:
    """Reads until told to stop; counts the messages it was sent and keeps their events."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.messages = 0
        self.closed: int | None = None
        self.hung_up: Close | None = None
        self.reading = asyncio.Event()
        self.reading.set()
        self.writer = Writer(LINES, self.send, self.hang_up)
        self.writer.open()
        self.subscription = Subscription(self.writer, lambda: self.writer.finish(Close.ENDED))

    async def send(self, message: dict[str, Any]) -> None:
        await self.reading.wait()
        self.messages += 1
        if message["type"] == "websocket.close":
            self.closed = message["code"]
        else:
            self.events += map(json.loads, message["text"].split("\n"))

    def hang_up(self, close: Close) -> None:
        self.hung_up = close

    async def join(self, hub: Hub, job_id: str, after: int | None = None) -> None:
        channel = await hub.watch(job_id, self.subscription)
        history = await channel.history(after)
        assert history
        await channel.join(self.subscription, history, after)

    @property
    def seqs(self) -> list[int]:
        return [event["seq"] for event in self.events if event["type"] != "snapshot"]

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.events]


class FailingWire(LinesWire):
    """Cannot frame what it is given, from some moment on."""

    fails = False

    def encode(self, events: Sequence[Sendable]) -> Message:
        if self.fails:
            raise OverflowError
        return super().encode(events)

    def keep_alive(self) -> None:
        raise OverflowError


@asynccontextmanager
async def running_hub(redis: Redis, jobs: JobStore) -> AsyncIterator[tuple[Hub, Bus]]:
    """A hub on a real bus."""
    hub = Hub(jobs, Listing(redis, jobs), BatchStore(redis), base_url="", attendance=Attendance(100, Ages()))
    bus = Bus(redis, hub.publish, hub.missed)
    hub.connect(bus)
    tasks = [asyncio.create_task(bus.run()), asyncio.create_task(hub.run())]
    try:
        yield hub, bus
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await hub.close()
