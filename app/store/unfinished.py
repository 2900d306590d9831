"""What is known of an upload that comes in several requests (`app/intake/resumption.py`) until its last byte is there.

How much of it has come only the file says. Swept like uploads are, once nothing has come for its time to live.
"""

from dataclasses import asdict, dataclass, replace
from typing import Final, Self

from pydantic_core import from_json
from redis.asyncio import Redis

from app.errors import TooManyUnfinished
from app.events import json_text
from app.settings import Settings
from app.store.by_expiry import ByExpiry
from app.store.clock import redis_now_ms
from app.store.reach import reaching
from app.store.scripts import Scripts

BY_EXPIRY: Final = "tidings:unfinished"


@dataclass(frozen=True, slots=True)
class Unfinished:
    """`length` is the bytes there will be, `metadata` what the client said at the creation, word for word.

    `sha256` is set once all bytes are there and hashed: from then on a file that is missing has been kept.
    """

    upload_id: str
    owner: str
    name: str
    content_type: str
    length: int
    metadata: str = ""
    sha256: str = ""
    expires_at: int = 0
    single: str = ""

    def is_of(self, owner: str, single: str = "") -> bool:
        """As of an upload."""
        return self.owner == owner and single in ("", self.single)


class UnfinishedStore:
    """Records with a TTL, and a sorted set of each owner, which bounds how many it has and how many bytes they are to
    be together."""

    def __init__(self, redis: Redis, ttl_seconds: int, most: int, most_bytes: int) -> None:
        self._redis = redis
        self.by_expiry: Final = ByExpiry(redis, BY_EXPIRY, lambda upload_id: [record_key(upload_id)])
        self._scripts = Scripts(redis)
        self._ttl_ms = ttl_seconds * 1000
        self._most, self._most_bytes = most, most_bytes

    @classmethod
    def of(cls, redis: Redis, settings: Settings) -> Self:
        """As the settings have it."""
        bounds = (settings.max_unfinished_uploads_per_owner, settings.max_unfinished_bytes_per_owner)
        return cls(redis, settings.unfinished_upload_ttl_seconds, *bounds)

    async def begin(self, unfinished: Unfinished) -> Unfinished:
        """Make it known; with its expiry. Raises TooManyUnfinished."""
        who = (unfinished.upload_id, unfinished.owner, unfinished.length)
        bounds = (self._ttl_ms, self._most, self._most_bytes)
        expires_at = await self._scripts.run("begin", [*who, json_text(asdict(unfinished)), *bounds])
        if not expires_at:
            detail = f"The most are {self._most} unfinished uploads, of {self._most_bytes} bytes together."
            raise TooManyUnfinished(detail, max_uploads=self._most, max_bytes=self._most_bytes)
        return replace(unfinished, expires_at=expires_at)

    @reaching
    async def find(self, upload_id: str) -> Unfinished | None:
        """The record, or None when there is none or it has expired."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.get(record_key(upload_id))
            pipe.pexpiretime(record_key(upload_id))
            text, expires_at = await pipe.execute()
        return replace(Unfinished(**from_json(text)), expires_at=expires_at) if text else None

    @reaching
    async def touch(self, unfinished: Unfinished) -> int | None:
        """Something has come of it: put its expiry off, and say until when. None when it is gone."""
        until = await redis_now_ms(self._redis) + self._ttl_ms
        key, mine = record_key(unfinished.upload_id), _owner_key(unfinished.owner)
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.pexpireat(key, until, gt=True)
            pipe.zadd(BY_EXPIRY, {unfinished.upload_id: until}, xx=True, gt=True)
            pipe.zadd(mine, {_promise(unfinished): until}, xx=True, gt=True)
            pipe.pexpireat(mine, until, gt=True)
            pipe.pexpiretime(key)
            *_, expires_at = await pipe.execute()
        return expires_at if expires_at > 0 else None

    @reaching
    async def seal(self, unfinished: Unfinished) -> bool:
        """All of it is there, as `sha256` says. False when it is gone."""
        text = json_text(asdict(unfinished))
        return bool(await self._redis.set(record_key(unfinished.upload_id), text, xx=True, keepttl=True))

    @reaching
    async def end(self, unfinished: Unfinished) -> None:
        """It is an upload now, or is not wanted any more."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.delete(record_key(unfinished.upload_id))
            pipe.zrem(BY_EXPIRY, unfinished.upload_id)
            pipe.zrem(_owner_key(unfinished.owner), _promise(unfinished))
            await pipe.execute()


def record_key(upload_id: str) -> str:
    """Where the record lies."""
    return f"tidings:unfinished:{upload_id}"


def _owner_key(owner: str) -> str:
    return f"tidings:promised:{owner}"


def _promise(unfinished: Unfinished) -> str:
    return f"{unfinished.upload_id}:{unfinished.length}"
