"""Has those who watch a waiting job told when its place in the queue has changed: jobs nobody watches cost nothing.

Run by `app/main.py`. Whether a change is worth telling is decided in Redis, so that several processes tell it once.
"""

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final, Protocol

from app.periodic import Periodic

ROUND_SECONDS: Final = 2.0
MOST_ASKED: Final = 256
"""Jobs in one round: with more, each has its turn after some rounds."""


class Teller(Protocol):
    """The store, as far as it is needed here."""

    async def place(self, job_ids: Sequence[str]) -> int: ...


class Places:
    """`waiting` names the jobs that are watched and pending; `watch` is to be run in a task."""

    def __init__(self, jobs: Teller, waiting: Callable[[], set[str]]) -> None:
        self._jobs = jobs
        self._waiting = waiting
        self._asked: dict[str, None] = {}
        self.watch = Periodic("places", self.tell)

    async def tell(self) -> float:
        """One round. Answers after how many seconds the next is due. Raises Unavailable."""
        waiting = self._waiting()
        self._asked = {job_id: None for job_id in self._asked if job_id in waiting}
        if len(self._asked) == len(waiting):
            self._asked.clear()  # all had their turn
        if batch := list(islice((job_id for job_id in waiting if job_id not in self._asked), MOST_ASKED)):
            self._asked |= dict.fromkeys(batch)
            await self._jobs.place(batch)
        return ROUND_SECONDS
