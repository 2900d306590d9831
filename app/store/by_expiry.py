"""Ids in the order in which they expire. Records go by their TTL; the files beside them have none.

Uploads, unfinished uploads and ended jobs with files have one each, written where their records are. Read by
`workers/sweeper.py`, which deletes the files, and by `workers/orphans.py`, which looks for files without a record.
"""

from collections.abc import Callable, Sequence

from redis.asyncio import Redis

from app.store.clock import redis_now_ms
from app.store.reach import reaching


class ByExpiry:
    """A sorted set of ids by expiry, on Redis's clock. `records` are the keys an id may have its record under.

    Raises Unavailable when Redis cannot be reached.
    """

    def __init__(self, redis: Redis, key: str, records: Callable[[str], Sequence[str]]) -> None:
        self._redis = redis
        self._records = records
        self._key = key

    @reaching
    async def expired(self, limit: int) -> list[str]:
        """Those whose files are to go, longest expired first."""
        now = await redis_now_ms(self._redis)
        return [i.decode() for i in await self._redis.zrangebyscore(self._key, "-inf", now, start=0, num=limit)]

    @reaching
    async def forget(self, ids: Sequence[str]) -> None:
        """Their files are gone."""
        await self._redis.zrem(self._key, *ids)

    @reaching
    async def known(self, ids: Sequence[str]) -> set[str]:
        """Those of which there is a record, in this set or not."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for entry in ids:
                pipe.exists(*self._records(entry))
            found = await pipe.execute()
        return {entry for entry, there in zip(ids, found, strict=True) if there}
