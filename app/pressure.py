"""Whether Redis has room for more jobs: looked at once a second, so that a submission costs no look of its own.

Run by `app/main.py`, asked by `app/intake/submissions.py`. A Redis that is full could not even end a job; so nothing
new is accepted while there still is room for what is under way.
"""

from typing import Final

import structlog

from app.errors import StoreFull
from app.periodic import Periodic
from app.store import Memory

LOOK_SECONDS: Final = 1.0
RETRY_SECONDS: Final = 15

log = structlog.get_logger()


class Pressure:
    """`watch` is to be run in a task. `most_share` is of Redis's memory, 0 to 1."""

    def __init__(self, memory: Memory, most_share: float) -> None:
        self._memory = memory
        self._most_share = most_share
        self._full = False
        self.watch = Periodic("pressure", self.look)

    async def look(self) -> float:
        """Answers after how many seconds to look again. Raises Unavailable."""
        share = await self._memory.used_share()
        full = share >= self._most_share
        if full != self._full:
            log.warning("redis memory", action="redis.full" if full else "redis.relieved", used_share=round(share, 3))
        self._full = full
        return LOOK_SECONDS

    def refuse_if_full(self) -> None:
        """Raises StoreFull."""
        if self._full:
            raise StoreFull("The store's memory is nearly full.", headers={"Retry-After": str(RETRY_SECONDS)})
