"""A process's pub/sub connection is open and dead: no end, no error, and nothing comes through any more."""

import time
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

from tests.faults.house import LEASE_SECONDS, House, until_all
from tests.faults.relay import Relay
from tests.faults.watcher import assert_whole, watching

HURRY: Final = {"app.bus.SILENCE_SECONDS": 1}
PROBE_SECONDS: Final = 3.0
"""So it takes 1 to 2 s until silence is noticed, and 1 for the answer to a ping."""

Measured = Callable[[str, float], None]


@pytest.fixture
async def house(short_path: Path) -> AsyncIterator[House]:
    async with House(short_path, hurry=HURRY) as house:
        yield house


@pytest.fixture
async def relay(house: House, short_path: Path) -> AsyncIterator[Relay]:
    async with Relay(short_path / "relay.sock", short_path / "valkey.sock") as relay:
        yield relay


async def test_watchers_get_what_a_half_dead_connection_swallowed_once_the_probe_has_noticed(
    house: House, relay: Relay, short_path: Path, measured: Measured
) -> None:
    web, gate = await house.web(redis_url=relay.url), short_path / "gate"
    await house.worker()
    job_ids = [await web.submit("ticking", gate=str(gate)) for _ in range(4)]
    async with watching(job_ids * 3, lambda: [web.port]) as watchers:
        await until_all(lambda: ("step" in watcher.types for watcher in watchers))
        relay.silence_subscribers()
        await web.logged("bus.lost")
        noticed_at = time.monotonic()
        await until_all(lambda: (watcher.arrivals[-1] > noticed_at for watcher in watchers))
        longest = max(later - earlier for watcher in watchers for earlier, later in pairwise(watcher.arrivals))
        measured("pub/sub connection half dead: longest without news", longest)
        assert longest < PROBE_SECONDS + 5
        gate.touch()
    await house.ended(*job_ids)
    for watcher in watchers:
        assert watcher.connections == 2, "the stream was cut before its end"
        assert_whole(watcher, await house.log(watcher.job_id))


async def test_a_cancel_reaches_a_worker_whose_connection_is_half_dead_with_its_heartbeat(
    house: House, relay: Relay, short_path: Path, measured: Measured
) -> None:
    web = await house.web()
    await house.worker(redis_url=relay.url)
    job_id = await web.submit("ticking", gate=str(short_path / "gate"))
    await house.reached(job_id, "processing")
    await until_all(lambda: [relay.listening == 1])
    relay.silence_subscribers()
    cancelled_at = time.monotonic()
    assert (await web.cancel(job_id)).status_code == 202
    await house.reached(job_id, "cancelled")
    took = time.monotonic() - cancelled_at
    measured("cancel's message lost, leases of 2 s: job cancelled", took)
    assert took < LEASE_SECONDS / 3 + 2
