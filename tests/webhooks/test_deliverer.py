"""The deliverer on a real store, with real receivers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from redis.asyncio import Redis
from standardwebhooks import Webhook

from app.processes.embedded import Valkey
from app.store import Delivery, DeliveryLog, DeliveryStore, JobStore, WebhookSecrets
from app.webhooks import receiver_of
from tests.ground import OWNER, completed, running
from tests.watching import until
from tests.webhooks.receiver import SILENCE, Receiver, answer, receiving
from tests.working import sooner_or_later
from workers.main import connect
from workers.webhooks import deliverer as module
from workers.webhooks.addresses import Addresses
from workers.webhooks.client import Client
from workers.webhooks.deliverer import Deliverer
from workers.webhooks.dialer import connector
from workers.webhooks.schedule import Schedule
from workers.webhooks.sender import Sender

QUICK: Final = 0.001
"""Of the schedule's delays."""


@asynccontextmanager
async def delivering(url: str, *, concurrency: int = 20, scale: float = QUICK) -> AsyncIterator[Deliverer]:
    """Until the block ends; what is under way then is abandoned."""
    redis = connect(url)
    async with Client(connector(Addresses(["127.0.0.0/8"]))) as client:
        sender = Sender(client, WebhookSecrets(redis), Schedule(scale))
        deliverer = Deliverer(DeliveryStore(redis), sender, "w", concurrency=concurrency)
        task = asyncio.create_task(deliverer.run())
        try:
            yield deliverer
        finally:
            deliverer.stop(0)
            await task
    await redis.aclose(close_connection_pool=True)


async def ended(jobs: JobStore, url: str, **fields: Any) -> str:
    """The id of a job that has completed and tells that URL of it."""
    run = await running(jobs, callback_url=url, callback_events=("completed",), **fields)
    await jobs.apply(run.job_id, [completed()], token=run.token)
    return run.job_id


async def delivery(redis: Redis, job_id: str) -> Delivery:
    """Its only one."""
    (found,), _ = await DeliveryLog(redis).page(job_id, limit=10)
    return found


async def stands(redis: Redis, job_id: str, status: str) -> Delivery:
    """The same, once it stands there."""

    async def there() -> bool:
        return (await delivery(redis, job_id)).status == status

    await sooner_or_later(there)
    return await delivery(redis, job_id)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


async def test_a_webhook_is_delivered_as_soon_as_its_event_is_there(
    redis: Redis, redis_url: str, jobs: JobStore, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FALLBACK_SECONDS", 600)
    async with delivering(redis_url):
        for n in range(1, 4):
            await stands(redis, await ended(jobs, receiver.url), "delivered")
            assert len(receiver.requests) == n


async def test_what_was_not_taken_comes_again_with_the_same_id_and_body(
    redis: Redis, redis_url: str, jobs: JobStore, receiver: Receiver
) -> None:
    receiver.will(answer(500, b"not yet"), b"HTTP/1.1 2", answer(302), answer(200, b"thanks"))
    async with delivering(redis_url):
        job_id = await ended(jobs, receiver.url)
        found = await stands(redis, job_id, "delivered")
    assert [(each.get("http_status"), each.get("response_excerpt")) for each in found.attempts] == [
        (500, "not yet"),
        (None, None),
        (302, "ok"),
        (200, "thanks"),
    ]
    assert len({(each.headers["webhook-id"], each.body) for each in receiver.requests}) == 1
    assert len(receiver.requests) == 4


async def test_after_the_last_attempt_it_has_failed_and_can_be_sent_again_by_hand(
    redis: Redis, redis_url: str, jobs: JobStore, receiver: Receiver
) -> None:
    receiver.will(answer(404))
    async with delivering(redis_url, scale=0.000_01):
        job_id = await ended(jobs, receiver.url)
        assert (await stands(redis, job_id, "failed")).attempt == 10
        receiver.will(answer())
        assert await DeliveryLog(redis).redeliver(job_id, 1)
        await stands(redis, job_id, "delivered")
    assert len({each.headers["webhook-id"] for each in receiver.requests}) == 1


async def test_a_receiver_that_is_silent_holds_up_no_other(
    redis: Redis, redis_url: str, jobs: JobStore, receiver: Receiver
) -> None:
    async with receiving() as silent, delivering(redis_url):
        silent.will(SILENCE)
        for _ in range(30):
            await ended(jobs, silent.url)
        await until(lambda: len(silent.requests) == 10)
        await stands(redis, await ended(jobs, receiver.url), "delivered")
        assert len(silent.requests) == 10


async def test_no_more_are_under_way_than_there_are_slots(redis_url: str, jobs: JobStore) -> None:
    async with receiving() as silent, delivering(redis_url, concurrency=3):
        silent.will(SILENCE)
        for _ in range(5):
            await ended(jobs, silent.url)
        await until(lambda: len(silent.requests) == 3)
        await asyncio.sleep(0.1)
        assert len(silent.requests) == 3


async def test_what_a_lost_deliverer_had_under_way_comes_again(
    redis: Redis, redis_url: str, jobs: JobStore, monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    monkeypatch.setattr(module, "LEASE_SECONDS", 0.3)
    receiver.will(SILENCE, answer())
    job_id = await ended(jobs, receiver.url)
    async with delivering(redis_url):
        await until(lambda: receiver.requests)
    async with delivering(redis_url):
        await stands(redis, job_id, "delivered")
    first, second = receiver.requests
    assert first.headers["webhook-id"] == second.headers["webhook-id"]


async def test_a_stop_lets_what_is_under_way_end_and_begins_nothing(
    redis: Redis, redis_url: str, jobs: JobStore, receiver: Receiver
) -> None:
    gate = asyncio.Event()
    receiver.wait = gate.wait
    async with delivering(redis_url) as deliverer:
        job_id = await ended(jobs, receiver.url)
        await until(lambda: receiver.requests)
        deliverer.stop(600)
        late = await ended(jobs, receiver.url)
        gate.set()
        await stands(redis, job_id, "delivered")
    assert (await delivery(redis, late)).status == "pending"
    assert len(receiver.requests) == 1


async def test_outcomes_wait_for_redis_and_it_goes_on(short_path: Path, receiver: Receiver) -> None:
    valkey = Valkey(short_path / "valkey", short_path / "valkey.sock")
    gate = asyncio.Event()
    receiver.wait = gate.wait
    with valkey:
        async with Redis.from_url(valkey.url) as redis, delivering(valkey.url):
            jobs = JobStore(redis)
            job_id = await ended(jobs, receiver.url)
            await until(lambda: receiver.requests)
            valkey.stop()
            gate.set()
            await asyncio.sleep(0.3)
            valkey.start()
            await stands(redis, job_id, "delivered")
            await stands(redis, await ended(jobs, receiver.url), "delivered")
    assert len(receiver.requests) == 2


async def test_a_receiver_that_asks_for_peace_gets_it(
    redis: Redis, redis_url: str, jobs: JobStore, receiver: Receiver
) -> None:
    receiver.will(answer(429, Retry_After="1"), answer())
    loop = asyncio.get_running_loop()
    async with delivering(redis_url):
        began = loop.time()
        first = await ended(jobs, receiver.url)
        await stands(redis, first, "retrying")
        other = await ended(jobs, receiver.url)
        await stands(redis, other, "delivered")
        await stands(redis, first, "delivered")
        assert loop.time() - began >= 1


async def test_who_wants_no_more_gets_no_more(redis: Redis, redis_url: str, jobs: JobStore, receiver: Receiver) -> None:
    receiver.will(answer(410))
    run = await running(jobs, callback_url=receiver.url, callback_events=("processing", "completed"))
    async with delivering(redis_url):
        await stands(redis, run.job_id, "gone")
        await jobs.apply(run.job_id, [completed()], token=run.token)
        await stands(redis, await ended(jobs, receiver.url.replace("127.0.0.1", "127.0.0.2")), "retrying")
    assert len(receiver.requests) == 1


async def test_a_receiver_that_keeps_failing_is_left_alone_and_found_again(
    redis: Redis, redis_url: str, jobs: JobStore, receiver: Receiver
) -> None:
    receiver.will(answer(500))
    async with delivering(redis_url):
        job_ids = [await ended(jobs, receiver.url) for _ in range(3)]
        health = f"tidings:webhooks:host:{receiver_of(receiver.url)}"
        await sooner_or_later(lambda: redis.hexists(health, "until"))  # type: ignore[arg-type, return-value]  # redis-py
        tried = len(receiver.requests)
        receiver.will(answer())
        await asyncio.sleep(0.3)
        assert len(receiver.requests) == tried
        await redis.hset(health, "until", "0")  # type: ignore[misc]  # redis-py
        await redis.zadd("tidings:webhooks:hosts", {receiver_of(receiver.url): 0})
        for job_id in job_ids:
            await stands(redis, job_id, "delivered")


async def test_a_new_secret_signs_beside_the_old_one(
    redis: Redis, redis_url: str, jobs: JobStore, receiver: Receiver
) -> None:
    secrets = WebhookSecrets(redis)
    first, second = await secrets.create(OWNER), await secrets.create(OWNER)
    async with delivering(redis_url):
        await stands(redis, await ended(jobs, receiver.url), "delivered")
    (request,) = receiver.requests
    for secret in (first, second):
        Webhook(secret.secret).verify(request.body, dict(request.headers))
