"""What an accepted batch leaves to be done: its jobs to be made, cancelled or run again, some at a time.

The process that accepted it sets to work at once; if that one dies, any other carries on, web or worker. Run by
`app/main.py` and `workers/main.py`.
"""

import random
from typing import Final

from app.periodic import Periodic
from app.store import BatchStore

EARLIEST_SECONDS: Final = 0.8
LATEST_SECONDS: Final = 1.2


class Chores:
    """`watch` is to be run in a task; any number of them may be at work."""

    def __init__(self, batches: BatchStore) -> None:
        self._batches = batches
        self._at_hand: dict[str, None] = {}
        self.watch = Periodic("chores", self.carry_on)

    def take(self, batch_id: str) -> None:
        """See to this batch now."""
        self._at_hand[batch_id] = None
        self.watch.wake()

    async def carry_on(self) -> float:
        """A step of each batch in turn, until nothing is left. Answers after how many seconds to look again."""
        await self._adopt()
        while self._at_hand:
            for batch_id in list(self._at_hand):
                _, more = await self._batches.work(batch_id)
                if not more:
                    del self._at_hand[batch_id]
            await self._adopt()
        return random.uniform(EARLIEST_SECONDS, LATEST_SECONDS)  # noqa: S311  spreads the processes, keeps no secret

    async def _adopt(self) -> None:
        """A batch whose process has died, or is away."""
        batch_id, more = await self._batches.work()
        if more:
            self._at_hand[batch_id] = None
