"""What a soak reads every few seconds: of each process what the kernel says, of Redis what it says itself."""

import asyncio
from collections.abc import Mapping
from typing import Final

from tests.stress.ageing import bury
from tests.stress.fleet import Fleet
from tests.stress.gauge import Bound, Gauge

SECONDS: Final = 3.0
MB: Final = 1 << 20
MEMORY_MB: Final = Bound(0.03, 2)
DATA_MB: Final = Bound(0.25, 2)
"""Of what Valkey holds, which swings by half as large logs and batches come and go. Keys are counted apart."""
DESCRIPTORS: Final = Bound(0.15, 5)
THREADS: Final = Bound(0, 2)
KEYS: Final = Bound(0.1, 100)


class Readings:
    """`take` is to be run in a task, until cancelled. It also sees to it that records do not stay for another day."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self.gauges: dict[str, Gauge] = {}

    async def take(self) -> None:
        """For as long as it is let."""
        while True:
            await bury(self._fleet.house.redis)
            for name, process in self._fleet.processes.items():
                self._note(f"{name} RSS MB", MEMORY_MB, process.resident_bytes / MB)
                self._note(f"{name} descriptors", DESCRIPTORS, process.descriptors)
                self._note(f"{name} threads", THREADS, process.threads)
            await self._read_valkey()
            await asyncio.sleep(SECONDS)

    async def _read_valkey(self) -> None:
        redis = self._fleet.house.redis
        told = await redis.info()
        self._note("valkey memory MB", DATA_MB, told["used_memory"] / MB)  # resident stays what was the most
        self._note("valkey data MB", DATA_MB, told["used_memory_dataset"] / MB)
        self._note("valkey clients", DESCRIPTORS, told["connected_clients"])
        self._note("valkey keys", KEYS, await redis.dbsize())
        self._note("valkey channels", KEYS, told["pubsub_channels"])

    def _note(self, name: str, bound: Bound, reading: float) -> None:
        self.gauges.setdefault(name, Gauge(name, bound)).readings.append(reading)

    @property
    def latest(self) -> Mapping[str, float]:
        """By gauge."""
        return {name: gauge.readings[-1] for name, gauge in self.gauges.items()}
