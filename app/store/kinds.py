"""The kinds workers have announced, with the JSON Schema of their params. The web process never imports a handler."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Final

from pydantic import TypeAdapter
from pydantic_core import from_json
from redis.asyncio import Redis
from redis.exceptions import ResponseError, WatchError

from app.events import json_text
from app.store.clock import in_ms
from app.store.reach import reaching

KEY: Final = "tidings:kinds"
KNOWN_MS: Final = 7 * 86_400_000
"""A kind stays known this long after its last worker, so that jobs can be accepted while workers are away."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What can be asked for. `params_schema` is an object schema, times are seconds; `max_running` 0: any number.

    `result_ttl_seconds` is for submissions that do not say; None leaves it to the settings. `memory_bytes` and
    `cpu_seconds` bound each process of one run; None does not.
    """

    kind: str
    description: str
    params_schema: dict[str, Any]
    queue: str
    timeout_seconds: float
    max_attempts: int
    max_running: int = 0
    result_ttl_seconds: int | None = None
    memory_bytes: int | None = None
    cpu_seconds: int | None = None


class KindStore:
    """One hash: kind → JSON, with the time of its last announcement."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    @reaching
    async def announce(self, kinds: Iterable[Kind]) -> None:
        """Say that a worker here runs these; forget those that none has run for a week."""
        announced, now = await self._announced()
        entries = {kind.kind: json_text(asdict(kind) | {"announced_at": now}) for kind in kinds}
        async with self._redis.pipeline(transaction=True) as pipe:
            if entries:
                pipe.hset(KEY, mapping=entries)
            pipe.pexpire(KEY, KNOWN_MS)
            await pipe.execute()
        if gone := [kind.kind for kind, at in announced if _is_forgotten(at, now)]:
            await self._forget(gone)

    async def _forget(self, names: Sequence[str]) -> None:
        """Unless another worker announces one of them just now: then the next announcement will."""
        async with self._redis.pipeline(transaction=True) as pipe:
            await pipe.watch(KEY)
            announced, now = await self._announced()
            pipe.multi()  # type: ignore[no-untyped-call]  # redis-py
            pipe.hdel(KEY, *(kind.kind for kind, at in announced if kind.kind in names and _is_forgotten(at, now)))
            with suppress(WatchError, ResponseError):  # the latter is for none left
                await pipe.execute()

    @reaching
    async def known(self) -> dict[str, Kind]:
        """All kinds by name."""
        announced, now = await self._announced()
        return {kind.kind: kind for kind, at in announced if not _is_forgotten(at, now)}

    async def _announced(self) -> tuple[list[tuple[Kind, int]], int]:
        """What was announced, by name, each with when it was; and Redis's time."""
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.hgetall(KEY)
            pipe.time()
            stored, time = await pipe.execute()
        return [entry for _, text in sorted(stored.items()) if (entry := _read(text))], in_ms(time)


_KIND: Final = TypeAdapter(Kind)


def _read(text: bytes) -> tuple[Kind, int] | None:
    """None for what makes no sense: it must not cost the others. What a newer worker says beyond that is left out."""
    try:
        told = from_json(text)
        return _KIND.validate_python(told), int(told["announced_at"])
    except (ValueError, TypeError, KeyError):
        return None


def _is_forgotten(announced_at: int, now: int) -> bool:
    return now - announced_at > KNOWN_MS
