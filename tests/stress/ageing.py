"""Lets time pass in Redis alone: whatever expires there does so that much sooner. A day need not be waited for."""

from typing import Final

from redis.asyncio import Redis

from tests.stress.census import LASTING

DAY_MS: Final = 86_400_000
BY_EXPIRY: Final = ("tidings:uploads", "tidings:expiring")
"""Sorted sets whose scores are times at which something is to be swept."""


async def age(redis: Redis, span_ms: int) -> None:
    """As if so long had gone by, for all that has ended. What workers have announced stays, as they would repeat it."""
    await _expire_sooner(redis, span_ms, beyond_ms=0)
    for name in BY_EXPIRY:
        for member in await redis.zrange(name, 0, -1):
            await redis.zincrby(name, -span_ms, member)


async def bury(redis: Redis) -> None:
    """Take a day off what is kept for longer than one: the records of jobs that have expired stay so long."""
    await _expire_sooner(redis, DAY_MS, beyond_ms=DAY_MS)


async def _expire_sooner(redis: Redis, span_ms: int, *, beyond_ms: int) -> None:
    keys = [key async for key in redis.scan_iter(count=1_000) if not key.decode().startswith(LASTING)]
    async with redis.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.pttl(key)
        for key, left in zip(keys, await pipe.execute(), strict=True):
            if left > beyond_ms:
                pipe.pexpire(key, max(1, left - span_ms))
        await pipe.execute()
