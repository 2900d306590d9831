"""What only makes things quick gets lost or comes twice: wake-ups of workers, messages to watchers."""

import asyncio
import operator
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Final

from app.events import Event
from app.store.nudges import nudge_key
from tests.faults.house import House, until_all
from tests.faults.relay import Relay
from tests.faults.watcher import Watcher, assert_whole, watching

FALLBACK_SECONDS: Final = 1.0
SLACK_SECONDS: Final = 1.0
"""For a loaded machine."""
JOBS: Final = 8
THIEVES: Final = 30
NUDGE: Final = nudge_key("default")

Measured = Callable[[str, float], None]


async def test_a_job_whose_nudge_is_lost_starts_within_the_fallback(house: House, measured: Measured) -> None:
    web = await house.web()
    await house.worker()
    waits = []
    async with thieves(house) as stolen:
        for _ in range(JOBS):
            job_id = await web.submit("steady", steps=1, seconds=0)
            await house.ended(job_id)
            waits.append(start_after(await house.log(job_id)))
    assert len(stolen) > JOBS / 2
    measured("nudges lost: longest until a job starts", max(waits))
    assert max(waits) < FALLBACK_SECONDS + SLACK_SECONDS


async def test_a_job_that_is_nudged_many_times_runs_once(house: House) -> None:
    web = await house.web()
    for _ in range(2):
        await house.worker()
    job_ids = []
    for _ in range(JOBS):
        await house.redis.rpush(NUDGE, *["1"] * 100)  # type: ignore[misc]  # redis-py
        job_ids.append(await web.submit("steady", steps=1, seconds=0))
    jobs = await house.ended(*job_ids)
    assert {(job.status, job.attempt) for job in jobs} == {("completed", 1)}
    for job_id in job_ids:
        types = [event.type for event in await house.log(job_id)]
        assert [type for type in types if type != "progress"] == ["pending", "processing", "step", "completed"]


async def test_watchers_miss_nothing_and_get_nothing_twice_when_the_connection_is_cut_again_and_again(
    house: House, short_path: Path, measured: Measured
) -> None:
    async with watched(house, short_path, house.valkey.url) as watchers:
        for _ in range(10):
            seen = counts(watchers)
            await house.redis.client_kill_filter(_type="pubsub")
            await news(watchers, seen)
    longest = longest_without_news(watchers)
    measured("pub/sub connection cut: longest without news", longest)
    assert longest < FALLBACK_SECONDS + SLACK_SECONDS


async def test_a_message_that_was_lost_is_made_up_for_by_the_next(
    house: House, short_path: Path, measured: Measured
) -> None:
    async with (
        Relay(short_path / "relay.sock", short_path / "valkey.sock") as relay,
        watched(house, short_path, relay.url) as watchers,
    ):
        for _ in range(10):
            seen = counts(watchers)
            relay.lose_next_message()
            await news(watchers, seen)
    longest = longest_without_news(watchers)
    measured("a message lost: longest without news", longest)
    assert longest < FALLBACK_SECONDS + SLACK_SECONDS


@asynccontextmanager
async def thieves(house: House) -> AsyncIterator[list[str]]:
    """They stand in line for nudges as a worker does, who has to go to its end every two seconds."""
    stolen: list[str] = []

    async def steal() -> None:
        while True:
            await house.redis.blpop([NUDGE], timeout=0)  # type: ignore[misc]  # redis-py
            stolen.append(NUDGE)

    tasks = [asyncio.create_task(steal()) for _ in range(THIEVES)]
    try:
        yield stolen
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def watched(house: House, folder: Path, redis_url: str) -> AsyncIterator[list[Watcher]]:
    """Watchers of jobs that tell something ten times a second; after the block they must have seen all."""
    web, gate = await house.web(redis_url=redis_url), folder / "gate"
    await house.worker()
    job_ids = [await web.submit("ticking", gate=str(gate)) for _ in range(4)]
    async with watching(job_ids * 3, lambda: [web.port]) as watchers:
        await until_all(lambda: ("step" in watcher.types for watcher in watchers))
        yield watchers
        gate.touch()
    await house.ended(*job_ids)
    for watcher in watchers:
        assert watcher.connections == 2, "the stream was cut before its end"
        assert_whole(watcher, await house.log(watcher.job_id))


def counts(watchers: Sequence[Watcher]) -> list[int]:
    """Of the events each has had."""
    return [len(watcher.events) for watcher in watchers]


async def news(watchers: Sequence[Watcher], seen: Sequence[int]) -> None:
    """Until each has had more than these."""
    await until_all(lambda: map(operator.gt, counts(watchers), seen))


def start_after(log: Sequence[Event]) -> float:
    """Seconds from its acceptance to its start, by the store's clock."""
    accepted, started = log[0], next(event for event in log if event.type == "processing")
    return (started.at - accepted.at) / 1000


def longest_without_news(watchers: Sequence[Watcher]) -> float:
    """Of a watcher of a job that tells something all the time."""
    return max(later - earlier for watcher in watchers for earlier, later in pairwise(watcher.arrivals))
