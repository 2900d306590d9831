"""How much of its memory Redis uses. Asked by `app/pressure.py`, so that what is accepted can also be kept."""

from redis.asyncio import Redis

from app.store.reach import reaching


class Memory:
    """Raises Unavailable when Redis cannot be reached."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    @reaching
    async def used_share(self) -> float:
        """Of `maxmemory`, or where that is not set of all the machine has; 0 where neither is known."""
        memory = await self._redis.info("memory")
        most = memory.get("maxmemory") or memory.get("total_system_memory") or 0
        return memory["used_memory"] / most if most else 0.0
