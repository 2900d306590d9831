from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from app.errors import StoreFull
from app.pressure import Pressure
from app.store import Memory


@pytest.fixture
async def used(redis: Redis) -> AsyncIterator[int]:
    """What Redis uses, of sixteen times as much."""
    used: int = (await redis.info("memory"))["used_memory"]
    await redis.config_set("maxmemory", 16 * used)
    yield used
    await redis.config_set("maxmemory", 0)


async def test_nothing_is_accepted_while_redis_is_nearly_full(redis: Redis, used: int) -> None:
    pressure = Pressure(Memory(redis), 0.45)
    await pressure.look()
    pressure.refuse_if_full()
    await redis.set("ballast", b"x" * 4 * used)
    with capture_logs() as lines:
        await pressure.look()
    with pytest.raises(StoreFull) as refused:
        pressure.refuse_if_full()
    assert refused.value.headers["Retry-After"] == "15"
    await redis.delete("ballast")
    await pressure.look()
    pressure.refuse_if_full()
    assert [line["action"] for line in lines] == ["redis.full"]


async def test_without_a_bound_the_memory_of_the_machine_counts(redis: Redis) -> None:
    assert 0 < await Memory(redis).used_share() < 0.5
