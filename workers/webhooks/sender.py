"""One attempt to deliver a webhook: signed, sent, and judged by the answer. Used by `deliverer.py`."""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from typing import Final, Protocol

import structlog

from app import __version__
from app.store import Due, Outcome
from workers.webhooks.client import Answer, Client, Unanswered
from workers.webhooks.dialer import Crowded
from workers.webhooks.schedule import Schedule, wished_ms
from workers.webhooks.signature import signed

GONE: Final = 410
TOO_MUCH: Final = frozenset({429, 503})
LONGEST_PAUSE_MS: Final = 600_000
"""Of a whole host at a receiver's wish: others that receive there are not to wait a day because one wants to."""

BROKEN: Final = "Something went wrong here."

HEADERS: Final = {"Content-Type": "application/json", "User-Agent": f"Tidings/{__version__}"}

log = structlog.get_logger()


class Secrets(Protocol):
    """Where an owner's secrets are looked up."""

    def of(self, owner: str) -> Awaitable[tuple[str, ...]]: ...


class Sender:
    """One per process."""

    def __init__(self, client: Client, secrets: Secrets, schedule: Schedule) -> None:
        self._client = client
        self._secrets = secrets
        self._schedule = schedule

    async def attempt(self, due: Due) -> Outcome:
        """What came of it. To be called right after the claim, whose time it is signed with.

        Raises Unavailable when the secrets cannot be read, Crowded when the name cannot be; then nothing was sent.
        """
        secrets = await self._secrets.of(due.owner)
        loop, answer, error = asyncio.get_running_loop(), None, None
        began = loop.time()
        try:
            headers = HEADERS | signed(due.webhook_id, due.claimed_at, due.body, secrets)
            answer = await self._client.post(due.url, headers, due.body)
        except Unanswered as why:
            error = str(why)
            cause = str(why.__cause__) or error  # more than its owner is told
            log.info("webhook not answered", action="webhook.unanswered", job_id=due.job_id, n=due.n, cause=cause)
        except Crowded:
            raise
        except Exception:  # a bug of ours must not have it sent for ever
            log.exception("webhook not sent", action="webhook.broken", job_id=due.job_id, n=due.n)
            error = BROKEN
        duration_ms = round((loop.time() - began) * 1000)
        return self._outcome(due, Outcome("delivered", due.claimed_at, duration_ms, error=error), answer)

    def _outcome(self, due: Due, sent: Outcome, answer: Answer | None) -> Outcome:
        if answer is None:
            return self._not_taken(due, sent, 0)
        sent = replace(sent, http_status=answer.status, response_excerpt=answer.excerpt)
        if 200 <= answer.status < 300:
            return sent
        if answer.status == GONE:
            return replace(sent, status="gone")
        wish_ms = wished_ms(answer.retry_after, answer.date, sent.started_at + sent.duration_ms)
        if wish_ms and answer.status in TOO_MUCH:
            sent = replace(sent, pause_host_ms=min(wish_ms, LONGEST_PAUSE_MS))
        return self._not_taken(due, sent, wish_ms)

    def _not_taken(self, due: Due, sent: Outcome, wish_ms: int) -> Outcome:
        delay_ms = self._schedule.delay_ms(due.attempt, wish_ms)
        return replace(sent, status="failed" if delay_ms is None else "retrying", retry_in_ms=delay_ms)
