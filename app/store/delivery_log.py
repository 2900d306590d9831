"""What became of a job's webhooks, and sending them again. Called by the doors of the web process.

Written by `lua/settle.lua`; a delivery's attempts are listed up to twenty, latest last.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self, cast

from pydantic_core import from_json
from redis.asyncio import Redis

from app.clock import rfc3339
from app.shapes.delivery import AttemptObject, DeliveryObject
from app.store.jobs import PREFIX
from app.store.reach import reaching
from app.store.scripts import Scripts

MOST_AT_ONCE: Final = 1_000
"""Failed deliveries that one call sends again."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One webhook of one event; `attempt` counts those that came to an end. `next_at` is milliseconds since 1970."""

    n: int
    event: str
    webhook_id: str
    url: str
    status: str
    attempt: int
    next_at: int | None
    attempts: tuple[AttemptObject, ...] = ()

    @classmethod
    def of(cls, job_id: str, n: int, url: str, state: bytes, tries: bytes | None) -> Self:
        """As the scripts keep it."""
        told = from_json(state)
        webhook_id = f"{job_id}-{told['seq']}"
        attempts = tuple(map(_attempt, from_json(tries or "[]")))
        return cls(n, told["event"], webhook_id, url, told["status"], told["attempt"], told.get("due"), attempts)

    def shown(self) -> DeliveryObject:
        """With its latest attempt, and all of them that are kept."""
        latest = (
            {name: value for name, value in self.attempts[-1].items() if name != "attempt"} if self.attempts else {}
        )
        shown = {
            "n": self.n,
            "event": self.event,
            "webhook_id": self.webhook_id,
            "url": self.url,
            "status": self.status,
            "attempt": self.attempt,
            **latest,
            "attempts": list(self.attempts),
        }
        next_at = {} if self.next_at is None else {"next_at": rfc3339(self.next_at)}
        return cast(DeliveryObject, shown | next_at)


def _attempt(text: str) -> AttemptObject:
    told = from_json(text)
    return cast(AttemptObject, told | {"started_at": rfc3339(told["started_at"])})


class DeliveryLog:
    """Raises Unavailable when Redis cannot be reached."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._scripts = Scripts(redis)

    @reaching
    async def page(self, job_id: str, *, limit: int, before: int | None = None) -> tuple[list[Delivery], int | None]:
        """Its deliveries with numbers below `before`, latest first, and the number to go on from, if there are more."""
        key = f"{PREFIX}{{{job_id}}}:deliveries"
        url, latest = await self._redis.hmget(key, ["url", "n"])  # type: ignore[misc]  # redis-py
        start = min(int(latest or 0), (before or int(latest or 0) + 1) - 1)
        numbers = range(start, max(0, start - limit), -1)
        if not numbers:
            return [], None
        fields = [name for n in numbers for name in (str(n), f"{n}:tries")]
        values: Sequence[bytes | None] = await self._redis.hmget(key, fields)  # type: ignore[misc]  # redis-py
        entries = zip(numbers, values[::2], values[1::2], strict=True)
        found = [Delivery.of(job_id, n, url.decode(), state, tries) for n, state, tries in entries if state]
        return found, numbers[-1] if numbers[-1] > 1 else None

    async def redeliver(self, job_id: str, n: int) -> bool:
        """Attempt it again at once, from the start of its schedule; whether there is one of that number."""
        redelivered, _ = await self._scripts.run("redeliver", (job_id, n))
        return bool(redelivered)

    async def redeliver_failed(self, owner: str, most: int = MOST_AT_ONCE) -> tuple[int, bool]:
        """The same of the owner's that have failed, the oldest first: how many, and whether there are more."""
        redelivered, more = await self._scripts.run("redeliver", ("", owner, most))
        return redelivered, bool(more)
