"""All watchers of a batch: what they are told, how often it is read for them, and what an outage costs them."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from app.batches import Batch, BatchEvent
from app.bus import Bus
from app.hub import Close, Hub
from app.hub import batch as module
from app.hub.batch import BatchChannel
from app.jobs import new_job_id
from app.store import BatchStore, JobStore, Order
from app.store.batches import batch_channel
from tests.ground import OWNER, claimed, completed, progress, submission
from tests.watching import Client, running_hub, until
from tests.working import sooner_or_later


@pytest.fixture
async def parts(redis: Redis, jobs: JobStore) -> AsyncIterator[tuple[Hub, Bus]]:
    async with running_hub(redis, jobs) as parts:
        yield parts


@pytest.fixture
def hub(parts: tuple[Hub, Bus]) -> Hub:
    return parts[0]


@pytest.fixture
async def batch_id(redis: Redis) -> str:
    """Of a batch of two jobs."""
    batches = BatchStore(redis)
    accepted = await batches.accept(Order(new_job_id(), OWNER, [submission(), submission()]))
    await batches.work(accepted.batch.batch_id)
    return accepted.batch.batch_id


@pytest.fixture
def reads(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> list[Batch | None]:
    """What was read for all watchers."""
    found: list[Batch | None] = []
    read = hub._batch_store.read

    async def noted(batch_id: str) -> Batch | None:
        found.append(await read(batch_id))
        return found[-1]

    monkeypatch.setattr(hub._batch_store, "read", noted)
    return found


async def join(hub: Hub, client: Client, batch_id: str) -> BatchChannel:
    channel = await hub.watch_batch(batch_id, client.subscription)
    standing = await channel.read()
    assert standing
    await channel.join(client.subscription, standing)
    return channel


async def finish_one(jobs: JobStore) -> None:
    run = await claimed(jobs)
    await jobs.apply(run.job_id, [progress(50), completed()], token=run.token)


async def test_a_watcher_gets_a_snapshot_then_progress_and_at_last_the_end(
    hub: Hub, jobs: JobStore, batch_id: str
) -> None:
    client = Client()
    await join(hub, client, batch_id)
    await finish_one(jobs)
    await until(lambda: client.events[-1]["data"]["progress"]["percent"] == 50)
    await finish_one(jobs)
    await until(lambda: client.closed)
    assert client.closed == Close.ENDED
    assert (client.types[0], client.types[-1]) == ("snapshot", "completed")
    assert set(client.types[1:-1]) == {"progress"}
    assert client.seqs == sorted(set(client.seqs))


async def test_whoever_watches_one_read_and_one_frame_serve_all(
    hub: Hub, jobs: JobStore, batch_id: str, reads: list[Batch | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    framed: list[str] = []
    plain = BatchEvent.of

    def noted(batch: Batch, type: str, base_url: str) -> BatchEvent:
        framed.append(f"{type} {batch.seq}")
        return plain(batch, type, base_url)

    monkeypatch.setattr(BatchEvent, "of", noted)
    clients = [Client() for _ in range(100)]
    await asyncio.gather(*(join(hub, client, batch_id) for client in clients))
    for _ in range(2):
        await finish_one(jobs)
    await until(lambda: all(client.closed for client in clients))
    assert len(reads) < 10
    assert len(framed) <= len(reads)
    assert {client.events[-1]["type"] for client in clients} == {"completed"}


async def test_many_changes_are_read_at_most_twice_a_second_and_the_latest_comes(
    hub: Hub, jobs: JobStore, batch_id: str, reads: list[Batch | None]
) -> None:
    client = Client()
    await join(hub, client, batch_id)
    run = await claimed(jobs)
    began = asyncio.get_running_loop().time()
    for percent in range(100):
        await jobs.apply(run.job_id, [progress(percent)], token=run.token)
    await until(lambda: client.events[-1]["data"]["progress"]["percent"] == 49.5)
    elapsed = asyncio.get_running_loop().time() - began
    assert len(reads) <= 3 + elapsed / module.INTERVAL_SECONDS
    assert client.types.count("progress") <= len(reads)


async def test_what_changes_while_a_slow_client_takes_its_snapshot_comes_after_it(
    hub: Hub, jobs: JobStore, batch_id: str, reads: list[Batch | None]
) -> None:
    slow, quick = Client(), Client()
    slow.reading.clear()
    joining = asyncio.create_task(join(hub, slow, batch_id))
    await until(lambda: slow.writer._waited_for)
    await join(hub, quick, batch_id)
    for _ in range(2):
        await finish_one(jobs)
    await until(lambda: quick.closed)
    slow.reading.set()
    await joining
    await until(lambda: slow.closed)
    assert slow.types == ["snapshot", "completed"]


async def test_a_batch_that_has_completed_is_a_snapshot_and_an_end(hub: Hub, jobs: JobStore, batch_id: str) -> None:
    for _ in range(2):
        await finish_one(jobs)
    client = Client()
    await join(hub, client, batch_id)
    await until(lambda: client.closed)
    assert client.types == ["snapshot"]


async def test_after_an_outage_it_is_read_again_until_it_can_be(
    hub: Hub, redis: Redis, jobs: JobStore, batch_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "INTERVAL_SECONDS", 0.01)
    client = Client()
    channel = await join(hub, client, batch_id)
    hub._bus.unsubscribe(batch_channel(batch_id))

    async def out() -> bool:
        ((_, count),) = await redis.pubsub_numsub(batch_channel(batch_id))
        return not count

    await sooner_or_later(out)
    for _ in range(2):
        await finish_one(jobs)
    failures = iter([ValueError("not ours"), OSError("away")])
    read = hub._batch_store.read

    async def failing(batch_id: str) -> Batch | None:
        for failure in failures:
            raise failure
        return await read(batch_id)

    monkeypatch.setattr(hub._batch_store, "read", failing)
    channel.missed()
    await until(lambda: client.closed)
    assert client.types == ["snapshot", "completed"]


async def test_a_batch_that_is_gone_ends_the_stream(hub: Hub, redis: Redis, batch_id: str) -> None:
    client = Client()
    channel = await join(hub, client, batch_id)
    await redis.delete(f"tidings:batch:{{{batch_id}}}")
    channel.missed()
    await until(lambda: client.closed)
    assert client.types == ["snapshot"]


async def test_who_has_left_is_told_nothing_and_the_last_takes_the_subscription_along(
    hub: Hub, jobs: JobStore, batch_id: str
) -> None:
    leaves, stays = Client(), Client()
    for client in (leaves, stays):
        await join(hub, client, batch_id)
    hub.unwatch_batch(batch_id, leaves.subscription)
    for _ in range(2):
        await finish_one(jobs)
    await until(lambda: stays.closed)
    assert leaves.types == ["snapshot"]
    hub.unwatch_batch(batch_id, stays.subscription)
    hub.unwatch_batch(batch_id, stays.subscription)
    assert not hub._batches
