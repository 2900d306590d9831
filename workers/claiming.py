"""What a worker asks the store for: runs. Each call has a number, so that none gets lost with its answer.

Used by `workers/worker.py`.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Final

from app.errors import StoreError, Unavailable, UnknownJob
from app.store import Change, Claims, JobStore, Run
from workers.leases import Leases
from workers.registry import Registry

LOW_END_EVERY: Final = 8
"""Of so many claims one starts with the least urgent queue, so that none starves."""

INTERRUPTED: Final = Change("pending", '{"reason":"interrupted"}', "interrupted")


class Claiming:
    """Of one worker, one call at a time."""

    def __init__(
        self,
        worker_id: str,
        store: JobStore,
        registry: Registry,
        leases: Leases,
        *,
        queues: Sequence[str],
        lease_seconds: float,
    ) -> None:
        self._worker_id = worker_id
        self._store = store
        self._registry = registry
        self._leases = leases
        self._queues = queues
        self._lease_ms = int(lease_seconds * 1000)
        self._count = 0
        self._number = 1
        self._unanswered = False

    async def claim(self, slots: int) -> Claims:
        """Runs for so many slots, held from now on. Raises Unavailable; then the next call brings what this one did."""
        await self._leases.ensure()
        self._unanswered = True
        claims = await self._store.claim(
            self._worker_id,
            self._order(),
            slots,
            lease_ms=self._lease_ms,
            kinds=self._registry.limits,
            number=self._number,
        )
        self._unanswered = False
        self._number += 1
        for run in claims.runs:
            self._leases.hold(run)
        return claims

    async def finish(self) -> None:
        """No more is claimed. With the answer to the latest call runs may have got lost that are ours."""
        if self._unanswered:
            with suppress(Unavailable):
                await self.decline((await self.claim(0)).runs)

    async def decline(self, runs: Iterable[Run]) -> None:
        """They are not begun. Raises Unavailable; what was not given back by then is still held."""
        for run in runs:
            await self.give_back(run, INTERRUPTED)
            self._leases.release(run)

    async def give_back(self, run: Run, how: Change) -> None:
        """To its queue, with the attempt; one that is no longer ours needs it no more. Raises Unavailable."""
        with suppress(StoreError, UnknownJob):
            await self._store.apply(run.job_id, [how], token=run.token)

    def _order(self) -> Sequence[str]:
        self._count += 1
        return self._queues[::-1] if self._count % LOW_END_EVERY == 0 else self._queues
