"""`python -m tests.stress.busload --rounds 300`: the bus alone, in a process of its own, whose memory must not grow.

hiredis has been suspected of leaking with every pub/sub message (redis/hiredis-py#250), and a subscription that is
given up may leave something behind. A round subscribes, lets messages come, and unsubscribes again.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import uvloop
from redis.asyncio import Redis

from app.bus import Bus
from app.processes.embedded import Valkey
from tests.stress.gauge import Bound, Gauge
from tests.stress.readings import MB

CHANNELS: Final = 200
MESSAGES: Final = 50
"""Of each channel in each round."""
PAYLOAD: Final = "x" * 400
MEMORY_MB: Final = Bound(0.01, 0.5)
PUBLISH: Final = "for n = 1, ARGV[1] do for _, c in ipairs(KEYS) do redis.call('PUBLISH', c, ARGV[2] .. n) end end"


async def rounds(url: str, count: int) -> Gauge:
    """The resident memory after each."""
    gauge = Gauge("bus RSS MB", MEMORY_MB)
    load = Load(Redis.from_url(url))
    running = asyncio.create_task(load.bus.run())
    await load.bus.connected.wait()
    for number in range(count):
        await load.round(number)
        gauge.readings.append(resident_bytes() / MB)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await load.redis.aclose()
    return gauge


class Load:
    """A bus, and what it is to carry."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.bus = Bus(redis, self._on_message, lambda: None)
        self._publish = redis.register_script(PUBLISH)
        self._left = 0
        self._all_came = asyncio.Event()

    async def round(self, number: int) -> None:
        """Channels that never were before: what is kept by name would grow with them."""
        channels = [f"channel-{number}-{n}" for n in range(CHANNELS)]
        self._left = CHANNELS * MESSAGES
        self._all_came.clear()
        await asyncio.gather(*(self.bus.subscribe(channel) for channel in channels))
        await self._publish(keys=channels, args=[MESSAGES, PAYLOAD])
        async with asyncio.timeout(60):
            await self._all_came.wait()
        for channel in channels:
            self.bus.unsubscribe(channel)

    def _on_message(self, _channel: str, _payload: bytes) -> None:
        self._left -= 1
        if not self._left:
            self._all_came.set()


def resident_bytes() -> int:
    """Ours."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.stress.busload")
    parser.add_argument("--rounds", type=int, default=300)
    count, began = parser.parse_args().rounds, time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="tidings-bus-", dir="/tmp") as folder,
        Valkey(Path(folder), Path(folder) / "valkey.sock", persist=False) as valkey,
    ):
        gauge = uvloop.run(rounds(valkey.url, count))
    subscriptions = count * CHANNELS
    print(f"  {subscriptions} subscriptions, {subscriptions * MESSAGES} messages, {time.monotonic() - began:.0f} s")
    print(f"  {gauge}")
    if gauge.problem:
        print(f"NOT HELD  {gauge.problem}")
    return bool(gauge.problem)


if __name__ == "__main__":
    sys.exit(main())
