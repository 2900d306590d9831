"""Webhooks on their way: what is due at which receiver, and what became of it. Called by the workers' deliverer.

They are queued by the scripts that write the events (`lua/parts/webhooks.lua`), with the job as it was right then; its
JSON is made here, of the same bytes on every attempt. Receivers take turns: see `lua/deliver.lua`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import structlog
from redis.asyncio import Redis

from app.events import json_text
from app.store.nudges import Nudges
from app.store.scripts import Scripts
from app.store.told import Told

log = structlog.get_logger()

LOST: Final = "What it was to tell has gone bad."

MOST_CLAIMED: Final = 64
"""In one call: to make their JSON takes the loop some milliseconds."""

NUDGES: Final = "/webhooks"
"""Where the scripts wake deliverers; no queue is called so."""


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

    def __init__(self, redis: Redis, *, public_url: str = "", per_host: int = 10, per_owner: int = 50) -> None:
        self._scripts = Scripts(redis)
        self._nudges = Nudges(redis)
        self._public_url = public_url
        self._per_host = per_host
        self._per_owner = per_owner

    async def claim(self, worker: str, slots: int, *, lease_ms: int) -> Claimed:
        """Take what is due, up to `slots` and not too many in one call, for `lease_ms`: what is not settled by then is
        due again."""
        most = min(slots, MOST_CLAIMED)
        arguments = (worker, most, lease_ms, self._per_host, self._per_owner)
        wait, now, *found = await self._scripts.run("deliver", arguments)
        claimed = [self._due(now, *entry) for entry in found]
        unspeakable = [due for due in claimed if not due.body]
        await self.settle_many([(due, Outcome("failed", now, 0, error=LOST)) for due in unspeakable])
        return Claimed(tuple(due for due in claimed if due.body), None if wait < 0 else wait)

    async def settle(self, due: Due, outcome: Outcome) -> None:
        """Write down what an attempt came to; nothing where its lease was lost."""
        await self.settle_many([(due, outcome)])

    async def settle_many(self, settled: Iterable[tuple[Due, Outcome]]) -> None:
        """The same of many in one round trip."""
        calls = [self._settlement(due, outcome) for due, outcome in settled]
        if calls:
            await self._scripts.run_many("settle", calls)

    async def wait(self, seconds: float) -> bool:
        """Until a webhook is queued, but not longer; whether one was. Holds a connection of the pool meanwhile."""
        return await self._nudges.wait([NUDGES], seconds) is not None

    def _due(self, now: int, *entry: Any) -> Due:
        job_id, n, seq, at, owner, url, host, event, attempt, token, kept = entry
        told = Told(job_id.decode(), seq, at, event.decode(), kept)
        return Due(
            job_id=told.subject,
            n=n,
            webhook_id=f"{told.subject}-{seq}",
            owner=owner.decode(errors="replace"),
            url=url.decode(),
            host=host.decode(),
            event=told.type,
            attempt=attempt,
            token=token.decode(),
            body=_body(told, self._public_url),
            claimed_at=now,
        )

    def _settlement(self, due: Due, outcome: Outcome) -> Sequence[str | int]:
        return (
            due.job_id,
            due.n,
            due.host,
            due.token,
            self._per_host,
            outcome.status,
            json_text(_attempt(due, outcome)),
            "" if outcome.http_status is None else outcome.http_status,
            max(0, outcome.retry_in_ms or 0),
            max(0, outcome.pause_host_ms or 0),
            due.owner,
        )


def _body(told: Told, public_url: str) -> bytes:
    """Nothing of what has gone bad in Redis: it must not stop the others of its claim."""
    try:
        return told.body(public_url)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        log.warning("webhook given up", action="webhook.bad", job_id=told.subject, seq=told.seq, error=repr(error))
        return b""


def _attempt(due: Due, outcome: Outcome) -> dict[str, Any]:
    """As `delivery_log.py` reads it."""
    told = {"http_status": outcome.http_status, "error": outcome.error, "response_excerpt": outcome.response_excerpt}
    attempt = {"attempt": due.attempt, "started_at": outcome.started_at, "duration_ms": outcome.duration_ms}
    return attempt | {name: value for name, value in told.items() if value is not None}
