"""How a run comes to rest: its processes as they were before it, and Redis empty once time has passed."""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Final

from tests.faults.house import House
from tests.stress import census
from tests.stress.ageing import DAY_MS, age
from tests.stress.census import Census
from tests.stress.fleet import Fleet

SECONDS: Final = 60.0
"""For either."""
LOOK_SECONDS: Final = 0.5


async def until_quiet(fleet: Fleet, told: Callable[[Census], Iterable[str]]) -> Census:
    """The census once nothing is to be told of it, or when the time is over."""
    deadline = time.monotonic() + SECONDS
    while True:
        now = await census.take(fleet)
        if not list(told(now)) or time.monotonic() > deadline:
            return now
        await asyncio.sleep(LOOK_SECONDS)


def idle(now: Census) -> Iterable[str]:
    """What is still at work."""
    for name, count in now.processes.items():
        if count.children:
            yield f"{name} has child processes"
    yield from now.strays


async def until_forgotten(house: House, kept_seconds: float) -> list[str]:
    """The keys that are left when what is kept for so long, and a record's day beyond, have passed and been swept.

    A worker sweeps as it starts, and one after the other every half a minute; we are not as patient.
    """
    redis = house.redis
    await age(redis, int(kept_seconds * 1000) + 2 * DAY_MS)
    await house.worker()
    deadline = time.monotonic() + SECONDS
    while (left := await census.keys(redis)) and time.monotonic() < deadline:
        await asyncio.sleep(LOOK_SECONDS)
    return left
