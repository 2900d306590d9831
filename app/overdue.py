"""Every process's share in the promise that the end always comes: web and workers all look for overdue jobs.

So a run is taken from a lost worker, a wait ends, and a job that could not start in time fails, even where no worker
is left. Run by `app/main.py` and `workers/main.py`.
"""

import random
from typing import Final

import structlog

from app.periodic import Periodic
from app.store import JobStore

EARLIEST_SECONDS: Final = 0.8
LATEST_SECONDS: Final = 1.2
BATCH: Final = 256

log = structlog.get_logger()


class Overdue:
    """`watch` is to be run in a task; any number of them may be at work."""

    def __init__(self, jobs: JobStore) -> None:
        self._jobs = jobs
        self.watch = Periodic("overdue", self.settle)

    async def settle(self) -> float:
        """Settle all that is overdue. Answers after how many seconds to look again."""
        settled = more = await self._jobs.settle_overdue(BATCH)
        while more == BATCH:
            settled += (more := await self._jobs.settle_overdue(BATCH))
        if settled:
            log.info("overdue jobs settled", action="jobs.settled", count=settled)
        return random.uniform(EARLIEST_SECONDS, LATEST_SECONDS)  # noqa: S311  spreads the processes, keeps no secret
