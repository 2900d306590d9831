"""Which Redis this is: one that was emptied, or another one, has another name, and one that was set back to an earlier
state counts from an earlier number. Asked before anything is deleted for being unknown (`workers/orphans.py`).
"""

import secrets
from typing import Final

from redis.asyncio import Redis

from app.store.reach import reaching

KEY: Final = "tidings:identity"
ROUNDS: Final = "tidings:rounds"


class Identity:
    """Raises Unavailable when Redis cannot be reached."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    @reaching
    async def name(self) -> str:
        """32 hex digits, made up when they are first asked for."""
        fresh = secrets.token_hex(16)
        known = await self._redis.set(KEY, fresh, nx=True, get=True)
        return known.decode() if known else fresh

    @reaching
    async def next_round(self) -> int:
        """How many times this was asked, of any worker."""
        rounds: int = await self._redis.incr(ROUNDS)
        return rounds
