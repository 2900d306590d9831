"""A worker whose Redis is away for a while, or not there yet."""

import asyncio
from pathlib import Path

from redis.asyncio import Redis

from app.jobs import Status
from app.processes.embedded import Valkey
from app.store import JobStore, KindStore
from tests.ground import accepted
from tests.watching import until
from tests.working import begun, reached, sooner_or_later, working


def server_in(directory: Path, *, persist: bool = True) -> Valkey:
    return Valkey(directory, directory / "valkey.sock", persist=persist)


async def start_again(server: Valkey, redis: Redis) -> None:
    """The test's own client does not stumble over what it was connected to."""
    server.start()
    await redis.connection_pool.disconnect()


async def test_jobs_run_on_while_redis_is_away_and_end_when_it_is_back(short_path: Path) -> None:
    gate = short_path / "gate"
    with server_in(short_path) as server:
        async with Redis.from_url(server.url) as redis, working(server.url, short_path) as worker:
            jobs = JobStore(redis)
            running = await accepted(jobs, kind="gated", params=f'{{"gate":"{gate}"}}')
            await reached(jobs, running, Status.PROCESSING)
            server.stop()
            gate.touch()
            await until(lambda: worker.job_counter == 1)
            await start_again(server, redis)
            assert (await reached(jobs, running, Status.COMPLETED)).attempt == 1
            await reached(jobs, await accepted(jobs, kind="chore"), Status.COMPLETED)


async def test_a_cancel_works_again_after_an_outage(short_path: Path) -> None:
    with server_in(short_path) as server:
        async with Redis.from_url(server.url) as redis, working(server.url, short_path) as worker:
            jobs = JobStore(redis)
            running = await begun(jobs, worker)
            server.stop()
            await start_again(server, redis)
            await jobs.cancel(running, "test")  # before it has subscribed again: nobody hears it
            await reached(jobs, running, Status.CANCELLED)


async def test_redis_may_come_later_than_the_worker(short_path: Path) -> None:
    server = server_in(short_path)
    async with working(server.url, short_path):
        await asyncio.sleep(0)
        with server:
            async with Redis.from_url(server.url) as redis:
                jobs = JobStore(redis)
                await reached(jobs, await accepted(jobs, kind="chore"), Status.COMPLETED)


async def test_a_redis_that_has_forgotten_everything_learns_the_kinds_again(short_path: Path) -> None:
    async def known(redis: Redis) -> bool:
        return "chore" in await KindStore(redis).known()

    with server_in(short_path, persist=False) as server:
        async with Redis.from_url(server.url) as redis, working(server.url, short_path):
            await sooner_or_later(lambda: known(redis))
            server.stop()
            await start_again(server, redis)
            await sooner_or_later(lambda: known(redis))
