"""Which jobs may still have files. Records go by their TTL; files have none.

Ended jobs with artifacts are listed by `lua/parts`, and their files deleted by `workers/sweeper.py` when it is time;
what no list leads to is found by `workers/orphans.py`.
"""

from collections.abc import Sequence
from typing import Final

from redis.asyncio import Redis

from app.jobs import TERMINAL
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

    async def known(self, job_ids: Sequence[str]) -> set[str]:
        """Those of which there is a record."""
        return {job_id for job_id, status in zip(job_ids, await self._statuses(job_ids), strict=True) if status}

    async def alive(self, job_ids: Sequence[str]) -> set[str]:
        """Those that have not ended."""
        pairs = zip(job_ids, await self._statuses(job_ids), strict=True)
        return {job_id for job_id, status in pairs if status and status.decode() not in TERMINAL}

    @reaching
    async def _statuses(self, job_ids: Sequence[str]) -> list[bytes | None]:
        async with self._redis.pipeline(transaction=False) as pipe:
            for job_id in job_ids:
                pipe.hget(f"{PREFIX}{{{job_id}}}:job", "status")
            return await pipe.execute()

    @reaching
    async def forget(self, job_ids: Sequence[str]) -> None:
        """Their files are gone."""
        await self._redis.zrem(BY_EXPIRY, *job_ids)
