import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection

from app.bus import Bus
from tests.watching import until


class Listener:
    """What a bus has brought."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.reconnects = 0

    def message(self, channel: str, payload: bytes) -> None:
        if payload == b"poison":
            raise ValueError("cannot be understood")
        self.heard.append((channel, payload))

    def reconnected(self) -> None:
        self.reconnects += 1


@asynccontextmanager
async def running(redis: Redis) -> AsyncIterator[tuple[Bus, Listener]]:
    listener = Listener()
    bus = Bus(redis, listener.message, listener.reconnected)
    task = asyncio.create_task(bus.run())
    try:
        yield bus, listener
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def lose(redis: Redis, bus: Bus, *, subscribed: bool = True) -> None:
    await redis.client_kill_filter(_type="pubsub" if subscribed else "normal", skipme=True)
    await until(lambda: not bus.connected.is_set())


async def test_what_is_published_after_a_subscription_arrives_in_order(redis: Redis) -> None:
    async with running(redis) as (bus, listener):
        await bus.subscribe("a")
        for n in range(1_200):
            await redis.publish("a", str(n))
        await until(lambda: len(listener.heard) == 1_200)
        assert [int(payload) for _, payload in listener.heard] == list(range(1_200))


async def test_a_channel_left_and_taken_again_at_once_misses_nothing_once_confirmed(redis: Redis) -> None:
    async with running(redis) as (bus, listener):
        for n in range(50):
            await bus.subscribe("a")
            await redis.publish("a", str(n))
            await until(lambda n=n: len(listener.heard) == n + 1)  # type: ignore[misc]  # the default's type
            bus.unsubscribe("a")


async def test_a_reconnect_subscribes_again_before_it_says_so(redis: Redis) -> None:
    async with running(redis) as (bus, listener):
        await bus.subscribe("a")
        await lose(redis, bus)
        await until(lambda: listener.reconnects == 1)
        await redis.publish("a", "x")
        await until(lambda: listener.heard == [("a", b"x")])


async def test_a_channel_left_while_reconnecting_hides_no_reconnect_from_the_others(redis: Redis) -> None:
    async with running(redis) as (bus, listener):
        await asyncio.gather(*(bus.subscribe(str(n)) for n in range(100)))
        for n in range(50):
            bus.unsubscribe(str(n))
        await lose(redis, bus)
        await until(bus.connected.is_set)
        bus.unsubscribe("60")
        await until(lambda: listener.reconnects == 1)


async def test_who_subscribes_while_reconnecting_does_not_put_off_the_word_of_it(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    gates = {"a": asyncio.Event(), "new": asyncio.Event()}
    say = Bus._say

    async def gated(bus: Bus, connection: AbstractConnection, *command: str) -> None:
        await gates[command[-1]].wait()
        await say(bus, connection, *command)

    async with running(redis) as (bus, listener):
        await bus.subscribe("a")
        monkeypatch.setattr(Bus, "_say", gated)
        await lose(redis, bus)
        await until(bus.connected.is_set)
        await until(lambda: not bus._outbox)
        new = asyncio.create_task(bus.subscribe("new"))
        await until(lambda: bus._outbox)
        gates["a"].set()
        await until(lambda: listener.reconnects == 1)
        assert not new.done()
        gates["new"].set()
        await new
        assert listener.reconnects == 1


async def test_a_reconnect_that_nobody_watched_is_not_told_to_who_comes_later(redis: Redis) -> None:
    async with running(redis) as (bus, listener):
        await until(bus.connected.is_set)
        await lose(redis, bus, subscribed=False)
        await until(bus.connected.is_set)
        await bus.subscribe("a")
        await redis.publish("a", "x")
        await until(lambda: listener.heard)
        assert listener.reconnects == 0


async def test_a_message_that_cannot_be_understood_costs_the_others_nothing(redis: Redis) -> None:
    async with running(redis) as (bus, listener):
        await bus.subscribe("a")
        await redis.publish("a", "poison")
        await redis.publish("a", "x")
        await until(lambda: listener.heard == [("a", b"x")])


async def test_a_silent_connection_is_pinged_and_one_that_does_not_answer_given_up(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.bus.SILENCE_SECONDS", 0.3)
    async with running(redis) as (bus, listener):
        await bus.subscribe("a")
        pinged = (await redis.info("commandstats")).get("cmdstat_ping", {}).get("calls", 0)
        while (await redis.info("commandstats")).get("cmdstat_ping", {}).get("calls", 0) < pinged + 2:
            await asyncio.sleep(0.01)
        assert listener.reconnects == 0
        await redis.client_pause(1500)
        await until(lambda: not bus.connected.is_set())
        await until(lambda: listener.reconnects == 1)
