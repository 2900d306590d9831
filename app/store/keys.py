"""The API keys of this deployment. Of each only a hash is kept, under an id taken from that hash.

Asked by `app/auth/authenticator.py`, kept by `tidings keys`. A revoked key stays in the list for a while, which tells
whoever finds it in an old place; so a service whose keys were all revoked does not take itself for one that has none.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, fields, replace
from hmac import compare_digest
from typing import Final, Self

from pydantic_core import from_json
from redis.asyncio import Redis

from app.auth.keys import digest_of, id_of, new_key
from app.auth.principal import Scope
from app.errors import TooManyKeys
from app.events import json_text
from app.limits import NO_BOUNDS, Bounds
from app.settings import Settings
from app.store.clock import redis_now_ms
from app.store.jobs import PREFIX
from app.store.reach import reaching

KEYS: Final = f"{PREFIX}keys"
USED: Final = f"{PREFIX}keys:used"
MOST_KEYS: Final = 10_000
REVOKED_KEPT_MS: Final = 90 * 86_400_000
ANSWER_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Key:
    """`name` is the owner. Times are milliseconds since 1970."""

    key_id: str
    name: str
    digest: str
    scopes: frozenset[Scope]
    created_at: int
    bounds: Bounds = NO_BOUNDS
    revoked_at: int | None = None
    used_at: int | None = None

    @classmethod
    def of(cls, key_id: str, record: bytes, used_at: bytes | None = None) -> Self:
        """As it is kept."""
        members = from_json(record)
        scopes = frozenset(map(Scope, members.pop("scopes")))
        bounds = Bounds(**{field.name: members.pop(field.name, 0) for field in fields(Bounds)})
        return cls(key_id=key_id, scopes=scopes, bounds=bounds, used_at=int(used_at) if used_at else None, **members)

    @property
    def record(self) -> str:
        """What is kept of it."""
        kept = {name: getattr(self, name) for name in ("name", "digest", "created_at", "revoked_at")}
        return json_text(kept | asdict(self.bounds) | {"scopes": sorted(self.scopes)})


class KeyStore:
    """Raises Unavailable when Redis cannot be reached."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    @classmethod
    @asynccontextmanager
    async def opened(cls, settings: Settings) -> AsyncIterator[Self]:
        """With a connection of its own, for the command line."""
        seconds = ANSWER_SECONDS
        async with Redis.from_url(
            settings.redis_address, socket_timeout=seconds, socket_connect_timeout=seconds
        ) as redis:
            yield cls(redis)

    @reaching
    async def create(self, name: str, scopes: Collection[Scope], bounds: Bounds = NO_BOUNDS) -> tuple[Key, str]:
        """A fresh key, and what has to be shown now or never. Raises TooManyKeys."""
        now = await redis_now_ms(self._redis)
        await self._forget_revoked(now)
        if await self._redis.hlen(KEYS) >= MOST_KEYS:  # type: ignore[misc]  # redis-py
            raise TooManyKeys(f"There are {MOST_KEYS} already.")
        text = new_key()
        digest = digest_of(text)
        key = Key(id_of(digest), name, digest, frozenset(scopes), now, bounds)
        await self._redis.hset(KEYS, key.key_id, key.record)  # type: ignore[misc]  # redis-py
        return key, text

    @reaching
    async def all(self) -> list[Key]:
        """Oldest first."""
        records = await self._redis.hgetall(KEYS)  # type: ignore[misc]  # redis-py
        used = await self._redis.hgetall(USED)  # type: ignore[misc]  # redis-py
        keys = [Key.of(key_id.decode(), record, used.get(key_id)) for key_id, record in records.items()]
        return sorted(keys, key=lambda key: (key.created_at, key.key_id))

    async def revoke(self, which: str) -> list[Key]:
        """The key of that id, or all of that name: they are good for nothing from the next second on."""
        now = await self._now()
        live = [key for key in await self.all() if which in (key.key_id, key.name) and key.revoked_at is None]
        return [await self._keep(replace(key, revoked_at=now)) for key in live]

    @reaching
    async def any(self) -> bool:
        """Whether there are any, or were of late."""
        return bool(await self._redis.hlen(KEYS))  # type: ignore[misc]  # redis-py

    @reaching
    async def find(self, key_id: str) -> Key | None:
        """The key, unless it was revoked."""
        record = await self._redis.hget(KEYS, key_id)  # type: ignore[misc]  # redis-py
        return _live(key_id, record)

    async def match(self, text: str) -> Key | None:
        """The key that was shown, if it is one of ours."""
        digest = digest_of(text)
        key = await self.find(id_of(digest))
        return key if key and compare_digest(key.digest, digest) else None

    @reaching
    async def revoked(self, key_ids: Sequence[str]) -> list[str]:
        """Those of them that are good no more."""
        if not key_ids:
            return []
        records = await self._redis.hmget(KEYS, list(key_ids))  # type: ignore[misc]  # redis-py
        return [key_id for key_id, record in zip(key_ids, records, strict=True) if _live(key_id, record) is None]

    @reaching
    async def note_use(self, key_id: str) -> None:
        """It was shown just now."""
        await self._redis.hset(USED, key_id, str(await redis_now_ms(self._redis)))  # type: ignore[misc]  # redis-py

    @reaching
    async def _now(self) -> int:
        return await redis_now_ms(self._redis)

    @reaching
    async def _keep(self, key: Key) -> Key:
        await self._redis.hset(KEYS, key.key_id, key.record)  # type: ignore[misc]  # redis-py
        return key

    async def _forget_revoked(self, now: int) -> None:
        old = [key.key_id for key in await self.all() if key.revoked_at and key.revoked_at < now - REVOKED_KEPT_MS]
        if old:
            await self._redis.hdel(KEYS, *old)  # type: ignore[misc]  # redis-py
            await self._redis.hdel(USED, *old)  # type: ignore[misc]  # redis-py


def _live(key_id: str, record: bytes | None) -> Key | None:
    key = Key.of(key_id, record) if record else None
    return key if key and key.revoked_at is None else None
