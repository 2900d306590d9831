"""Which Redis this is: one that was emptied, or another one, has another name. Asked before anything is deleted for
being unknown (`workers/orphans.py`).
"""

import secrets
from typing import Final

from redis.asyncio import Redis

from app.store.reach import reaching

KEY: Final = "tidings:identity"


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
