"""How idle workers wake without asking: a list for each queue, to which the scripts push (`nudge` in `lua/parts`).

Called by `workers/worker.py`. A nudge wakes one worker and carries nothing; one that gets lost costs a second, until
the next look at the queue.
"""

from collections.abc import Sequence
from typing import Final

from redis.asyncio import Redis

from app.store.jobs import PREFIX
from app.store.reach import reaching

MOST_KEPT: Final = 64
KEPT_MS: Final = 60_000


def nudge_key(queue: str) -> str:
    """The list of a queue."""
    return f"{PREFIX}nudge:{queue}"


class Nudges:
    """The lists. Raises Unavailable when Redis cannot be reached."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    @reaching
    async def wait(self, queues: Sequence[str], seconds: float) -> str | None:
        """The queue one came for; None when none came in time. Holds a connection of the pool meanwhile."""
        popped = await self._redis.execute_command(  # type: ignore[no-untyped-call]  # redis-py
            "BLPOP", *map(nudge_key, queues), seconds
        )
        return popped[0].decode().removeprefix(nudge_key("")) if popped else None

    @reaching
    async def pass_on(self, queue: str) -> None:
        """For another worker: the one it came to has no free slot any more."""
        key = nudge_key(queue)
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.rpush(key, "1")
            pipe.ltrim(key, -MOST_KEPT, -1)
            pipe.pexpire(key, KEPT_MS)
            await pipe.execute()
