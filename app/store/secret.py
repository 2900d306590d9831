"""What this deployment signs with: what the settings say, or else what was made up once and lies in Redis.

Used by workers, which sign callback URLs, and by the web process, which reads them.
"""

import secrets
from time import monotonic
from typing import Final

from redis.asyncio import Redis

from app.errors import Unavailable
from app.settings import Settings
from app.store.reach import reaching

KEY: Final = "tidings:secret"
KNOWN_SECONDS: Final = 60.0
"""It is asked for again after so long: a Redis that was emptied gets another one."""


class Secret:
    """`given` is that of the settings, if there is one."""

    def __init__(self, redis: Redis, given: str = "") -> None:
        self._redis = redis
        self._given = given.encode()
        self._known = b""
        self._asked_at = 0.0

    @classmethod
    def of(cls, redis: Redis, settings: Settings) -> "Secret":
        """As the settings have it."""
        return cls(redis, settings.secret.get_secret_value())

    async def value(self) -> bytes:
        """Raises Unavailable when it is not known and Redis cannot be reached."""
        if self._given:
            return self._given
        if not self._known or monotonic() - self._asked_at > KNOWN_SECONDS:
            try:
                self._known = await self._kept()
                self._asked_at = monotonic()
            except Unavailable:
                if not self._known:
                    raise
        return self._known

    @reaching
    async def _kept(self) -> bytes:
        fresh = secrets.token_hex(32)
        known: bytes | None = await self._redis.set(KEY, fresh, nx=True, get=True)
        return known or fresh.encode()
