"""The runs a worker holds, and the heartbeat that keeps them its own. Used by `workers/worker.py`.

The heartbeat's answer also brings what pub/sub may have lost: which runs have gone to another worker, and which are
to be cancelled.
"""

import asyncio
import math
from collections.abc import Sequence
from typing import Final

import structlog

from app.periodic import Periodic
from app.store import JobStore, Run
from workers.runner import Runner

MOST_PER_CALL: Final = 256
SETTLE_SECONDS: Final = 0.05
"""For a run whose end has just been written to be over here too."""

log = structlog.get_logger()


class Leases:
    """By job id. A run is held from its claim until its task has ended or another worker has it."""

    def __init__(self, store: JobStore, runner: Runner, lease_seconds: float) -> None:
        self._store = store
        self._runner = runner
        self._lease = lease_seconds
        self._held: dict[str, Run] = {}
        self._renewed_at = -math.inf
        self._due = math.inf
        self.heartbeat = Periodic("heartbeat", self.renew)

    def __contains__(self, run: Run) -> bool:
        return self._held.get(run.job_id) is run

    def __getitem__(self, job_id: str) -> Run:
        return self._held[job_id]

    @property
    def runs(self) -> tuple[Run, ...]:
        """Those that are held now."""
        return tuple(self._held.values())

    def hold(self, run: Run) -> None:
        """The claim has just given it a full lease."""
        self._held[run.job_id] = run

    def release(self, run: Run) -> None:
        """It is no longer to be renewed; a later run of the same job is not touched."""
        if run in self:
            del self._held[run.job_id]

    async def ensure(self) -> None:
        """Renew first if the heartbeat is overdue, so that a claim does not take our own runs for lost."""
        if self._held and asyncio.get_running_loop().time() - self._renewed_at > self._lease / 2:
            await self.renew()

    async def renew(self) -> float:
        """The heartbeat's step."""
        loop = asyncio.get_running_loop()
        began, due = loop.time(), self._due
        self._due = math.inf
        if began - due > self._lease / 2:
            log.warning("the event loop was held up", action="heartbeat.late", seconds=round(began - due, 3))
        runs = self.runs
        for start in range(0, len(runs), MOST_PER_CALL):
            await self._renew(runs[start : start + MOST_PER_CALL])
        self._renewed_at, self._due = began, began + self._lease / 3
        return max(0, self._due - loop.time())

    async def _renew(self, runs: Sequence[Run]) -> None:
        renewal = await self._store.renew({run.job_id: run.token for run in runs}, lease_ms=int(self._lease * 1000))
        for run in runs:
            if run.job_id in renewal.lost:
                asyncio.get_running_loop().call_later(SETTLE_SECONDS, self._lose, run)
            elif run.job_id in renewal.cancelled and run in self:
                self._runner.cancel(run.job_id)

    def _lose(self, run: Run) -> None:
        """Unless it had just written its end, and that was why its token was gone."""
        if run in self:
            log.warning("lease lost", action="lease.lost", job_id=run.job_id, attempt=run.attempt)
            self.release(run)
            self._runner.lose(run.job_id)
