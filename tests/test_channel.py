"""All watchers of one job: where they end, what the bus has lost, and what one of them costs the others."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from app.events import Event
from app.hub import Close, Hub
from app.hub.channel import Channel
from app.store import Change, JobStore, Run
from tests.ground import OWNER, completed, failed, log, running
from tests.watching import Client, FailingWire, running_hub, until


@pytest.fixture
async def hub(redis: Redis, jobs: JobStore) -> AsyncIterator[Hub]:
    async with running_hub(redis, jobs) as (hub, _):
        yield hub


async def test_who_is_sent_a_history_that_ends_goes_on_where_the_job_is_run_again_meanwhile(
    hub: Hub, jobs: JobStore
) -> None:
    run = await running(jobs)
    await jobs.apply(run.job_id, [failed()], token=run.token)
    client = Client()
    client.reading.clear()
    joining = asyncio.create_task(client.join(hub, run.job_id, after=0))
    await until(lambda: client.writer._waited_for)
    await jobs.retry(run.job_id, OWNER)
    await until(lambda: client.subscription._held)
    client.reading.set()
    await joining
    assert client.types == ["pending", "processing", "failed", "pending"]
    await jobs.cancel(run.job_id, OWNER)
    await until(lambda: client.closed)
    assert client.types[4:] == ["cancelled"]


async def test_an_end_that_comes_late_ends_nobody_who_has_read_on_to_the_next_attempts(
    hub: Hub, jobs: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await running(jobs)
    old, new = Client(), Client()
    await old.join(hub, run.job_id)
    brought: list[Event] = []
    with monkeypatch.context() as patch:
        patch.setattr(Channel, "accept", lambda _, event: brought.append(event))
        await jobs.apply(run.job_id, [failed()], token=run.token)
        await jobs.retry(run.job_id, OWNER)
        await until(lambda: len(brought) == 2)
    await new.join(hub, run.job_id)
    channel = await hub.watch(run.job_id, Client().subscription)
    for event in brought:
        channel.accept(event)
        channel.deliver(0)
    assert (old.closed, new.closed) == (Close.ENDED, None)
    await jobs.cancel(run.job_id, OWNER)
    await until(lambda: new.closed)
    assert new.types == ["snapshot", "cancelled"]


async def test_events_that_cannot_be_framed_for_one_are_told_to_all_others(hub: Hub, jobs: JobStore) -> None:
    run = await running(jobs)
    wire = FailingWire()
    broken, quick, slow = Client(), Client(), Client()
    broken.writer.wire = wire
    for client in (broken, quick):
        await client.join(hub, run.job_id)
    slow.reading.clear()
    joining = asyncio.create_task(slow.join(hub, run.job_id))
    await until(lambda: slow.writer._waited_for)
    wire.fails = True
    await jobs.apply(run.job_id, [log("one")], token=run.token)
    await until(lambda: broken.hung_up)
    slow.reading.set()
    await joining
    await jobs.apply(run.job_id, [completed()], token=run.token)
    await until(lambda: quick.closed and slow.closed)
    assert quick.seqs == slow.seqs == [3, 4]


async def test_a_long_log_that_was_missed_is_told_in_slices(
    hub: Hub, jobs: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await running(jobs)
    client = Client()
    await client.join(hub, run.job_id)
    await all_but_heard(jobs, run, monkeypatch, *(log("x" * 8_000) for _ in range(20)), completed())
    hub.missed()
    await until(lambda: client.closed)
    assert client.seqs == list(range(3, 24))
    assert client.messages == 1 + 3 + 1


async def test_who_joins_while_a_missed_log_is_told_gets_nothing_twice(
    hub: Hub, jobs: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await running(jobs)
    client, joiners = Client(), [Client() for _ in range(5)]
    await client.join(hub, run.job_id)
    await all_but_heard(jobs, run, monkeypatch, *(log("x" * 8_000) for _ in range(40)))
    hub.missed()
    await asyncio.gather(*(joiner.join(hub, run.job_id, after=20) for joiner in joiners))
    await jobs.apply(run.job_id, [completed()], token=run.token)
    await until(lambda: all(each.closed for each in (client, *joiners)))
    assert client.seqs == list(range(3, 44))
    assert all(joiner.seqs == list(range(21, 44)) for joiner in joiners)


async def test_an_outage_while_the_log_is_read_has_it_read_again(
    hub: Hub, jobs: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await running(jobs)
    client = Client()
    await client.join(hub, run.job_id)
    read = jobs.read

    async def read_before_an_outage(*arguments: object, **options: object) -> object:
        monkeypatch.setattr(jobs, "read", read)
        view = await read(*arguments, **options)  # type: ignore[arg-type]  # passed on as they came
        await all_but_heard(jobs, run, monkeypatch, log("later"))
        hub.missed()
        return view

    monkeypatch.setattr(jobs, "read", read_before_an_outage)
    await all_but_heard(jobs, run, monkeypatch, log("one"))
    hub.missed()
    await until(lambda: client.seqs == [3, 4])


async def all_but_heard(jobs: JobStore, run: Run, monkeypatch: pytest.MonkeyPatch, *changes: Change) -> None:
    """They happen to the job, and the bus loses them."""
    lost: list[Event] = []
    with monkeypatch.context() as patch:
        patch.setattr(Channel, "accept", lambda _, event: lost.append(event))
        await jobs.apply(run.job_id, changes, token=run.token)
        await until(lambda: len(lost) == len(changes))
