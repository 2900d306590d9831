"""What is known of an uploaded file: whose it is, its name and hash. The bytes lie in `app/artifacts.py`'s folder.

Written by the upload door; read at submission and by the worker that opens the input; the sweeper deletes the file.
"""

import base64
import secrets
from dataclasses import asdict, dataclass
from typing import Final

from pydantic_core import from_json
from redis.asyncio import Redis

from app.errors import UploadTooFast
from app.events import json_text
from app.limits import UPLOAD, Allowance, KeyRate
from app.store.by_expiry import ByExpiry
from app.store.clock import redis_now_ms
from app.store.reach import reaching
from app.store.scripts import Scripts
from app.store.unfinished import record_key

BY_EXPIRY: Final = "tidings:uploads"


def new_upload_id() -> str:
    """26 characters of lower-case base32, 128 random bits."""
    return base64.b32encode(secrets.token_bytes(16)).decode().rstrip("=").lower()


@dataclass(frozen=True, slots=True)
class Upload:
    """`size` is bytes, `sha256` lower-case hex, `expires_at` milliseconds since 1970. `single` names the submission it
    came for, where a browser token to submit brought it.
    """

    upload_id: str
    owner: str
    name: str
    size: int
    sha256: str
    content_type: str
    expires_at: int
    single: str = ""

    def is_of(self, owner: str, single: str = "") -> bool:
        """Whether it exists for this owner, or for its token to submit once."""
        return self.owner == owner and single in ("", self.single)


class UploadStore:
    """Records with a TTL; `by_expiry` knows what is about to become an upload, too."""

    def __init__(self, redis: Redis, ttl_seconds: int) -> None:
        self._redis = redis
        self._scripts = Scripts(redis)
        self.by_expiry: Final = ByExpiry(redis, BY_EXPIRY, lambda upload_id: (_key(upload_id), record_key(upload_id)))
        self._ttl_ms = ttl_seconds * 1000

    async def count(self, owner: str, per_minute: int, rate: KeyRate) -> None:
        """One is begun. Raises UploadTooFast."""
        allowed, left, next_ms = await self._scripts.run("arrive", (owner, per_minute, *rate))
        if not allowed:
            allowance = Allowance(UPLOAD, rate.per_minute or per_minute, 60, left, next_ms)
            headers = {"Retry-After": str(allowance.next_seconds)} | allowance.headers
            raise UploadTooFast("This owner, or the key, begins uploads too fast.", headers=headers)

    @reaching
    async def expiry(self) -> int:
        """When an upload that comes now expires."""
        return await redis_now_ms(self._redis) + self._ttl_ms

    @reaching
    async def add(self, upload: Upload) -> None:
        """Make an upload known."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.set(_key(upload.upload_id), json_text(asdict(upload)), pxat=upload.expires_at)
            pipe.zadd(BY_EXPIRY, {upload.upload_id: upload.expires_at})
            await pipe.execute()

    @reaching
    async def find(self, upload_id: str) -> Upload | None:
        """The upload, or None when there is none or it has expired."""
        text = await self._redis.get(_key(upload_id))
        return Upload(**from_json(text)) if text else None

    @reaching
    async def keep(self, upload_id: str, span_ms: int | None = None, *, from_ms: int = 0) -> bool:
        """Put the expiry off to so long, or as long as usual, after `from_ms`, at the earliest from now; never bring it
        forward. False when it is gone."""
        span = self._ttl_ms if span_ms is None else span_ms
        until = max(await redis_now_ms(self._redis), from_ms) + span
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.pexpireat(_key(upload_id), until, gt=True)
            pipe.zadd(BY_EXPIRY, {upload_id: until}, xx=True, gt=True)
            pipe.exists(_key(upload_id))
            *_, known = await pipe.execute()
        return bool(known)

    @reaching
    async def end(self, upload_id: str) -> None:
        """It is not wanted any more: unknown from now on, and its file is to go."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.delete(_key(upload_id))
            pipe.zadd(BY_EXPIRY, {upload_id: 0}, xx=True)
            await pipe.execute()


def _key(upload_id: str) -> str:
    return f"tidings:upload:{upload_id}"
