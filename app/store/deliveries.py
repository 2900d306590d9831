"""Webhooks on their way: what is due at which receiver, and what became of it. Called by the workers' deliverer.

They are queued by the scripts that write the events (`lua/parts/webhooks.lua`), with the job as it was right then; its
JSON is made here, of the same bytes on every attempt. Receivers take turns: see `lua/deliver.lua`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from redis.asyncio import Redis


@dataclass(frozen=True, slots=True)
class Due:
    """A delivery to be attempted now. `attempt` is the one to come, from 1; who lost its lease settles nothing, which
    `token` tells. `claimed_at` is milliseconds on Redis's clock."""

    job_id: str
    n: int
    webhook_id: str
    owner: str
    url: str
    host: str
    event: str
    attempt: int
    token: str
    body: bytes
    claimed_at: int = 0


@dataclass(frozen=True, slots=True)
class Claimed:
    """Deliveries claimed, and the milliseconds until something else is due (None: nothing waits)."""

    deliveries: tuple[Due, ...]
    next_due_ms: int | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an attempt came to. `retry_in_ms` goes with `retrying`; `pause_host_ms` is how long the receiver has asked
    for peace, of whatever job."""

    status: Literal["delivered", "retrying", "failed", "gone"]
    started_at: int
    duration_ms: int
    http_status: int | None = None
    error: str | None = None
    response_excerpt: str | None = None
    retry_in_ms: int | None = None
    pause_host_ms: int | None = None


class DeliveryStore:
    """Raises Unavailable when Redis cannot be reached; what was not answered may have happened."""

    def __init__(self, redis: Redis, *, public_url: str = "", per_host: int = 10) -> None:
        self._redis = redis
        self._public_url = public_url
        self._per_host = per_host

    async def claim(self, worker: str, slots: int, *, lease_ms: int) -> Claimed:
        """Take what is due, up to `slots`, for `lease_ms`: what is not settled by then is due again."""
        raise NotImplementedError

    async def settle(self, due: Due, outcome: Outcome) -> None:
        """Write down what an attempt came to; nothing where its lease was lost."""
        await self.settle_many([(due, outcome)])

    async def settle_many(self, settled: Iterable[tuple[Due, Outcome]]) -> None:
        """The same of many in one round trip."""
        raise NotImplementedError

    async def wait(self, seconds: float) -> bool:
        """Until a webhook is queued, but not longer; whether one was. Holds a connection of the pool meanwhile."""
        raise NotImplementedError
