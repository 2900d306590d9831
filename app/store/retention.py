"""Which jobs may still have files.

Ended jobs with artifacts are listed by `lua/parts`, and their files deleted by `workers/sweeper.py` when it is time;
what no list leads to is found by `workers/orphans.py`.
"""

from collections.abc import Sequence
from typing import Final

from redis.asyncio import Redis

from app.jobs import TERMINAL
from app.store.by_expiry import ByExpiry
from app.store.jobs import PREFIX
from app.store.reach import reaching

BY_EXPIRY: Final = f"{PREFIX}expiring"


class Retention:
    """`by_expiry` has the ended jobs with files. Raises Unavailable when Redis cannot be reached."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self.by_expiry: Final = ByExpiry(redis, BY_EXPIRY, lambda job_id: [_record_key(job_id)])

    @reaching
    async def alive(self, job_ids: Sequence[str]) -> set[str]:
        """Those that have not ended."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for job_id in job_ids:
                pipe.hget(_record_key(job_id), "status")
            statuses = await pipe.execute()
        pairs = zip(job_ids, statuses, strict=True)
        return {job_id for job_id, status in pairs if status and status.decode() not in TERMINAL}


def _record_key(job_id: str) -> str:
    return f"{PREFIX}{{{job_id}}}:job"
