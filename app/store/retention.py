"""Ended jobs whose retention is over but whose files still lie there. Records go by their TTL; files have none.

Written by `record.lua` when a job with artifacts ends; read by `workers/sweeper.py`, which deletes the files.
"""

from collections.abc import Sequence
from typing import Final

from redis.asyncio import Redis

from app.store.clock import redis_now_ms
from app.store.jobs import PREFIX
from app.store.reach import reaching

BY_EXPIRY: Final = f"{PREFIX}expiring"


class Retention:
    """One sorted set of job ids by expiry, on Redis's clock. Raises Unavailable when Redis cannot be reached."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    @reaching
    async def expired(self, limit: int) -> list[str]:
        """Jobs whose files are to go, longest expired first."""
        now = await redis_now_ms(self._redis)
        return [i.decode() for i in await self._redis.zrangebyscore(BY_EXPIRY, "-inf", now, start=0, num=limit)]

    @reaching
    async def forget(self, job_ids: Sequence[str]) -> None:
        """Their files are gone."""
        await self._redis.zrem(BY_EXPIRY, *job_ids)
