"""Thousands who hold connections and never ask for anything whole, and one who wants a job done meanwhile."""

import asyncio
import time
from collections.abc import Callable
from statistics import quantiles
from typing import Final

import httpx
import pytest

from app.server import affordable, raise_limit
from tests.faults.crowd import BODY, HANDSHAKE, HEAD, SILENCE, Crowd
from tests.faults.house import House, Web, until, until_all

ATTACKERS: Final = 5_000
ADDRESSES: Final = [f"127.0.1.{n}" for n in range(1, 21)]
ROUNDS: Final = 20
MOST_GROWTH_BYTES: Final = 256 << 20
"""Of 5,000 connections; much more than they take, much less than anything that grows with each byte or each return."""

MOST_SECONDS: Final = 40.0
"""For a round: somebody who waits so long has been stopped. A SYN that found the backlog full costs seconds."""

LONG_SECONDS: Final = 200.0
"""For thousands, on a machine with other work."""

Measured = Callable[[str, float], None]


@pytest.fixture
def attackers(measured: Measured) -> int:
    """As many as this process has descriptors for."""
    raise_limit()
    count = min(ATTACKERS, affordable())
    measured("attackers", count)
    return count


@pytest.mark.timeout(300)
async def test_thousands_that_drip_stop_nobody_and_leave_nothing_behind(
    house: House, attackers: int, measured: Measured
) -> None:
    web = await house.web(head_seconds=4, body_seconds=6)
    await house.worker()
    alone = await rounds(web)
    before = web.resident_bytes
    async with Crowd(web.port, [SILENCE, HEAD, BODY, HANDSHAKE], attackers, ADDRESSES) as crowd:
        await until_all(lambda: [web.descriptors > attackers * 0.5], LONG_SECONDS)
        beside = await rounds(web)
        await until_all(lambda: [crowd.cut > attackers], LONG_SECONDS)
        beside += await rounds(web)
        growth = web.most_resident_bytes - before
    await until_all(lambda: [web.connections <= 1], LONG_SECONDS)  # that of `web.api`
    measured("a job submitted and streamed to its end: p90", p90(alone))
    measured(f"the same beside {attackers} that drip: p90", p90(beside))
    measured(f"MB of web for {attackers} that drip", growth / 1e6)
    assert set(crowd.told) == {0, 408}
    assert max(beside) < MOST_SECONDS
    assert growth < MOST_GROWTH_BYTES * attackers / ATTACKERS


async def test_more_than_there_are_descriptors_for_stop_nobody_either(
    house: House, attackers: int, measured: Measured
) -> None:
    few = ("sh", "-c", 'ulimit -n 600; exec "$@"', "sh")
    web = await house.web(prefix=few)
    await house.worker()
    async with Crowd(web.port, [SILENCE, HEAD, HANDSHAKE], attackers, ADDRESSES) as crowd:
        await until_all(lambda: [crowd.cut > attackers / 2])
        beside = await rounds(web)
        assert web.descriptors < 600
    measured(f"beside {attackers} in a house for 344: p90", p90(beside))
    assert max(beside) < MOST_SECONDS
    assert not [line for line in web.lines() if "Too many open files" in str(line)]


async def test_who_takes_more_than_its_share_is_told_so_and_nobody_else_is(house: House) -> None:
    web = await house.web(max_connections_per_address=100)
    await house.worker()
    async with Crowd(web.port, [BODY], 1_000, ["127.0.0.2"]) as crowd:
        await until_all(lambda: [crowd.told[429] > 100])
        assert web.descriptors < 300
        async with asyncio.timeout(MOST_SECONDS):
            await submit_and_stream(web)
    assert set(crowd.told) <= {0, 429}
    assert (await web.logged("connection.turned_away"))["address"] == "127.0.0.2"


async def rounds(web: Web) -> list[float]:
    """Seconds that each took, to the one in which it succeeded."""
    took = []
    for _ in range(ROUNDS):
        began = time.monotonic()
        await until(lambda: succeeds(web))
        took.append(time.monotonic() - began)
    return took


async def succeeds(web: Web) -> bool:
    """Whether a client that nobody has waited for gets what it asks; if not, it asks again, as any would."""
    try:
        async with asyncio.timeout(MOST_SECONDS):
            await submit_and_stream(web)
    except (httpx.TransportError, httpx.HTTPStatusError):
        return False
    return True


async def submit_and_stream(web: Web) -> None:
    """A job, to its end, over a connection of its own."""
    async with httpx.AsyncClient(base_url=web.api.base_url, timeout=30, trust_env=False, verify=False) as client:
        asked = {"kind": "steady", "params": {"steps": 2, "seconds": 0.01}}
        accepted = (await client.post("/api/jobs", json=asked)).raise_for_status()
        async with client.stream("GET", f"{accepted.headers['location']}/events?after=0") as events:
            events.raise_for_status()
            async for line in events.aiter_lines():
                if line == "event: completed":
                    return
    raise httpx.ReadError("the stream ended before the job")


def p90(seconds: list[float]) -> float:
    return quantiles(seconds, n=10)[-1]
