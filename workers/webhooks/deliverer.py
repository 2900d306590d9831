"""The loop that delivers webhooks: claims what is due, attempts it, and writes down what came of it.

Run by `workers/main.py` beside the job worker, with slots of its own, so that no receiver ever holds up a job. A slot
is free again when the outcome has been written down, so nothing piles up here while Redis is away. What is not written
within its lease comes again, here or elsewhere: that is how each webhook is sent at least once.
"""

import asyncio
from collections import deque
from contextlib import suppress
from itertools import islice
from typing import Final, NamedTuple

import structlog

from app.errors import Unavailable
from app.periodic import Periodic
from app.store import DeliveryStore, Due, Outcome
from workers.run.awaiting import gone
from workers.webhooks.client import ATTEMPT_SECONDS
from workers.webhooks.dialer import Crowded
from workers.webhooks.sender import Sender

LEASE_SECONDS: Final = ATTEMPT_SECONDS + 5
"""An attempt is over before its lease, so none needs renewal; what is left is for the outcome to get through."""
FALLBACK_SECONDS: Final = 1.0
"""Between looks at what is due when no wake-up comes: one may have been lost."""
LEAST_SECONDS: Final = 0.02
"""Between looks that only time is the reason for."""
NUDGE_SECONDS: Final = 2.0
"""How long one wait for a nudge lasts; less than Redis's clients wait for an answer."""
MOST_SETTLED: Final = 256
"""Outcomes written in one call."""
LAST_SECONDS: Final = 2.0
"""For the last outcomes at the end."""

log = structlog.get_logger()


class Settled(NamedTuple):
    """What is to be written down, until that moment of the loop's clock: then its lease is over."""

    due: Due
    outcome: Outcome
    until: float


class Deliverer:
    """Delivers until `stop` is called, at most `concurrency` webhooks at once. To be made on a running loop."""

    def __init__(self, store: DeliveryStore, sender: Sender, worker: str, *, concurrency: int) -> None:
        self._store = store
        self._sender = sender
        self._worker = worker
        self._concurrency = concurrency
        self._loop = asyncio.get_running_loop()
        self._under_way: set[asyncio.Task[None]] = set()
        self._settled: deque[Settled] = deque()
        self._vacant = asyncio.Event()
        self._grace_over = False
        self._claims = Periodic("webhook_claim", self._claim)
        self._settling = Periodic("webhook_settling", self._settle)
        self._nudges = Periodic("webhook_nudge", self._await_nudge)

    async def run(self) -> None:
        """Until stopped and every attempt has ended. When cancelled, attempts are abandoned: they come again."""
        async with asyncio.TaskGroup() as group:
            around = [group.create_task(each.run()) for each in (self._nudges, self._settling)]
            try:
                await self._claims.run()
                await gone(around[:1])  # what comes now is for others
                while self._under_way:
                    await asyncio.wait(self._under_way)
            finally:
                await gone([*self._under_way, *around])
        with suppress(TimeoutError, Unavailable):
            async with asyncio.timeout(LAST_SECONDS):
                await self._settle()

    def stop(self, grace_seconds: float) -> None:
        """Claim no more. What is under way after the grace is abandoned; another call can shorten it."""
        self._claims.stop()
        self._loop.call_later(grace_seconds, self._abandon)

    def _abandon(self) -> None:
        self._grace_over = True
        for task in self._under_way:
            task.cancel()

    # Claims

    @property
    def _free_slots(self) -> int:
        return self._concurrency - len(self._under_way) - len(self._settled)

    async def _await_nudge(self) -> float:
        await self._vacant.wait()
        if await self._store.wait(NUDGE_SECONDS):
            self._claims.wake()
        return 0

    async def _claim(self) -> float:
        if not self._free_slots:
            return FALLBACK_SECONDS
        until = self._loop.time() + LEASE_SECONDS
        claimed = await self._store.claim(self._worker, self._free_slots, lease_ms=int(LEASE_SECONDS * 1000))
        for due in () if self._grace_over else claimed.deliveries:
            task = self._loop.create_task(self._attempt(due, until), name=due.webhook_id)
            self._under_way.add(task)
            task.add_done_callback(self._attempted)
        self._look_for_vacancy()
        if claimed.next_due_ms is None:
            return FALLBACK_SECONDS
        return min(max(claimed.next_due_ms / 1000, LEAST_SECONDS), FALLBACK_SECONDS)

    def _look_for_vacancy(self) -> None:
        if self._free_slots:
            self._vacant.set()
        else:
            self._vacant.clear()

    # Attempts

    async def _attempt(self, due: Due, until: float) -> None:
        try:
            outcome = await self._sender.attempt(due)
        except (Unavailable, Crowded):  # nothing was sent; it comes again when its lease is over
            return
        self._settled.append(Settled(due, outcome, until))
        if outcome.status == "failed":
            log.warning("webhook given up", action="webhook.failed", job_id=due.job_id, n=due.n, error=outcome.error)

    def _attempted(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._settling.wake()

    async def _settle(self) -> float:
        """All that there is, the oldest first. What has outlived its lease is not ours any more."""
        while self._settled:
            some = [*islice(self._settled, MOST_SETTLED)]
            now = self._loop.time()
            if ours := [(due, outcome) for due, outcome, until in some if now < until]:
                await self._store.settle_many(ours)
            for _ in some:
                self._settled.popleft()
            self._look_for_vacancy()
            self._claims.wake()
        return FALLBACK_SECONDS
