"""The kinds workers have announced, with the JSON Schema of their params. The web process never imports a handler."""

import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Final

from pydantic_core import from_json
from redis.asyncio import Redis

from app.events import json_text
from app.store.reach import reaching

KEY: Final = "tidings:kinds"
KNOWN_SECONDS: Final = 7 * 86_400
"""A kind stays known this long after its last worker, so that jobs can be accepted while workers are away."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What can be asked for: `params_schema` is an object schema, times are seconds."""

    kind: str
    description: str
    params_schema: dict[str, Any]
    queue: str
    timeout_seconds: float
    max_attempts: int


class KindStore:
    """One hash: kind → JSON. A week is long enough for the hosts' clocks to do."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    @reaching
    async def announce(self, kinds: Iterable[Kind]) -> None:
        """Say that a worker here runs these; forget those that none has run for a week."""
        now = time.time()
        entries = {kind.kind: json_text(asdict(kind) | {"announced_at": now}) for kind in kinds}
        gone = [name.decode() for name, text in (await self._stored()).items() if _age(text, now) > KNOWN_SECONDS]
        async with self._redis.pipeline(transaction=True) as pipe:
            if entries:
                pipe.hset(KEY, mapping=entries)
            if gone:
                pipe.hdel(KEY, *gone)
            pipe.expire(KEY, KNOWN_SECONDS)
            await pipe.execute()

    @reaching
    async def known(self) -> dict[str, Kind]:
        """All kinds by name."""
        now = time.time()
        stored = sorted((await self._stored()).items())
        return {name.decode(): _kind(text) for name, text in stored if _age(text, now) <= KNOWN_SECONDS}

    async def _stored(self) -> dict[bytes, bytes]:
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.hgetall(KEY)
            (stored,) = await pipe.execute()
        return dict(stored)


def _age(text: bytes, now: float) -> float:
    announced_at: float = from_json(text)["announced_at"]
    return now - announced_at


def _kind(text: bytes) -> Kind:
    fields = from_json(text)
    del fields["announced_at"]
    return Kind(**fields)
