"""What accepted batches leave to be done, and who does it."""

import asyncio
from pathlib import Path

from redis.asyncio import Redis
from structlog.testing import capture_logs

from app.chores import Chores
from app.errors import Unavailable
from app.jobs import Status
from app.main import assemble
from app.settings import Settings
from app.store import BatchStore, Order
from tests.ground import OWNER, submission
from tests.working import sooner_or_later


class Flaky(BatchStore):
    """Redis goes away in the middle of it."""

    calls = 0

    async def work(self, batch_id: str = "", *, most: int = 5) -> tuple[str, bool]:
        self.calls += 1
        if self.calls in (2, 3):
            raise Unavailable
        return await super().work(batch_id, most=most)


async def accepted(batches: BatchStore, batch_id: str, size: int) -> str:
    await batches.accept(Order(batch_id, OWNER, [submission() for _ in range(size)]))
    return batch_id


async def made(redis: Redis, batch_id: str) -> int:
    count: int = await redis.zcard(f"tidings:batch:{{{batch_id}}}:jobs")
    return count


async def test_the_batches_at_hand_are_worked_on_in_turns_until_nothing_is_left(redis: Redis) -> None:
    order: list[str] = []

    class Noting(BatchStore):
        async def work(self, batch_id: str = "", *, most: int = 5) -> tuple[str, bool]:
            order.append(batch_id)
            return await super().work(batch_id, most=most)

    batches = Noting(redis)
    chores = Chores(batches)
    for batch_id in ("a", "b"):
        chores.take(await accepted(batches, batch_id, 15))
    assert 0.8 <= await chores.carry_on() <= 1.2
    assert [batch_id for batch_id in order if batch_id] == ["a", "b"] * 3
    assert [await made(redis, batch_id) for batch_id in ("a", "b")] == [15, 15]


async def test_what_was_at_hand_when_redis_went_away_is_done_when_it_is_back(redis: Redis) -> None:
    batches = Flaky(redis)
    chores = Chores(batches)
    with capture_logs():
        watching = asyncio.create_task(chores.watch.run())
        chores.take(await accepted(batches, "a", 40))

        async def all_made() -> bool:
            return await made(redis, "a") == 40

        await sooner_or_later(all_made)
        chores.watch.stop()
        await watching


async def test_a_web_process_takes_up_what_another_has_left(redis_url: str, redis: Redis, tmp_path: Path) -> None:
    batches = BatchStore(redis)
    batch_id = await accepted(batches, "a", 30)
    await batches.cancel(batch_id, OWNER)

    async def done() -> bool:
        batch = await batches.read(batch_id)
        return batch is not None and batch.counts[Status.CANCELLED] == 30

    async with assemble(Settings(redis_url=redis_url, data_dir=tmp_path)).alive(None):
        await sooner_or_later(done)
