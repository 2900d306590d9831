"""Workers die, stop and are misled while they deliver webhooks. Receivers are real, and in the test's own process."""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

import pytest

from tests.faults.house import House, Web, until, until_all
from tests.webhooks.receiver import listening, receiving
from workers.webhooks.client import NOWHERE

LOCAL: Final[dict[str, Any]] = {"webhook_allow_networks": "127.0.0.0/8"}
PER_HOST: Final = 10
LEASE_SECONDS: Final = 6.0
HURRY: Final = {"workers.webhooks.deliverer.LEASE_SECONDS": LEASE_SECONDS}

Measured = Callable[[str, float], None]


@pytest.fixture
async def hurried(short_path: Path) -> AsyncIterator[House]:
    async with House(short_path, hurry=HURRY) as house:
        yield house


async def deliveries(web: Web, job_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await web.api.get(f"/api/jobs/{job_id}/deliveries")).json()["deliveries"]
    return found


async def all_stand(web: Web, job_ids: list[str], status: str) -> None:
    """Until each job's webhooks do."""

    async def there() -> bool:
        found = [one for job_id in job_ids for one in await deliveries(web, job_id)]
        return all(one["status"] == status for one in found)

    await until(there)


async def test_a_worker_killed_while_it_delivers_loses_no_webhook_and_their_ids_stay(
    hurried: House, measured: Measured
) -> None:
    house = hurried
    web = await house.web()
    lost = await house.worker(concurrency=50, **LOCAL)
    gate = asyncio.Event()
    async with receiving() as receiver:
        receiver.wait = gate.wait
        told = {"callback_url": f"{receiver.url}/hook", "callback_events": ["processing", "completed"]}
        job_ids = [await web.submit("steady", request=told, steps=1, seconds=0) for _ in range(20)]
        await house.ended(*job_ids)
        await until_all(lambda: [len(receiver.requests) == PER_HOST])
        under_way = {request.headers["webhook-id"] for request in receiver.requests}
        lost.kill()
        killed_at = time.monotonic()
        gate.set()
        await house.worker(**LOCAL)
        await all_stand(web, job_ids, "delivered")
        took = time.monotonic() - killed_at
    measured("worker killed with 10 webhooks under way and 30 waiting: all delivered", took)
    assert took < LEASE_SECONDS + 10
    came = Counter(request.headers["webhook-id"] for request in receiver.requests)
    assert set(came) == {one["webhook_id"] for job_id in job_ids for one in await deliveries(web, job_id)}
    assert len(came) == 40
    assert {webhook_id for webhook_id, times in came.items() if times == 2} == under_way
    assert max(came.values()) == 2
    assert len({(request.headers["webhook-id"], request.body) for request in receiver.requests}) == 40


async def test_a_worker_that_is_told_to_stop_ends_what_it_has_under_way_and_nothing_comes_twice(house: House) -> None:
    web = await house.web()
    stopping = await house.worker(concurrency=50, shutdown_grace_seconds=20, **LOCAL)
    gate = asyncio.Event()
    async with receiving() as receiver:
        receiver.wait = gate.wait
        told = {"callback_url": receiver.url}
        job_ids = [await web.submit("steady", request=told, steps=1, seconds=0) for _ in range(20)]
        await house.ended(*job_ids)
        await until_all(lambda: [len(receiver.requests) == PER_HOST])
        stopping.send(signal.SIGTERM)
        await stopping.logged("worker.stopping")
        gate.set()
        assert await stopping.ended() == 0
        await house.worker(**LOCAL)
        await all_stand(web, job_ids, "delivered")
    came = Counter(request.headers["webhook-id"] for request in receiver.requests)
    assert (len(came), max(came.values())) == (20, 1)


async def test_a_webhook_to_an_address_of_ours_is_never_sent(house: House) -> None:
    web = await house.web()
    await house.worker()
    async with listening() as canary:
        hosts = ("127.0.0.1", "localhost", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0")
        told = [{"callback_url": f"http://{host}:{canary.port}/"} for host in hosts]
        job_ids = [await web.submit("steady", request=each, steps=1, seconds=0) for each in told]
        await all_stand(web, job_ids, "retrying")
        for job_id in job_ids:
            (one,) = await deliveries(web, job_id)
            assert (one["error"], one.get("http_status")) == (NOWHERE, None)
        assert canary.heard == 0
