"""The one clock of what Redis holds: its own, as the hosts' may disagree. For the stores here that compare times."""

from redis.asyncio import Redis


async def redis_now_ms(redis: Redis) -> int:
    """Milliseconds since 1970, as the scripts count them."""
    seconds, micros = await redis.time()
    now: int = seconds * 1000 + micros // 1000
    return now
