"""The one clock of what Redis holds: its own, as the hosts' may disagree. For the stores here that compare times."""

from redis.asyncio import Redis


async def redis_now_ms(redis: Redis) -> int:
    """Milliseconds since 1970, as the scripts count them."""
    return in_ms(await redis.time())


def in_ms(time: tuple[int, int]) -> int:
    """The same from an answer to TIME that came with others."""
    seconds, micros = time
    return seconds * 1000 + micros // 1000
