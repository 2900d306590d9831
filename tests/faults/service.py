"""A house for faults that harm no process: a web process and a worker for all tests of a module, which outlive them.

The tests that ask for it (`conftest.py`) run on one loop, and say so by `shared`.
"""

from typing import Any, Final

import pytest

from app.jobs import Job
from tests.faults.house import House, Process, Web
from tests.faults.watcher import assert_contiguous

shared: Final = pytest.mark.asyncio(loop_scope="module")


class Service:
    """Who submits here looks at the end of it."""

    def __init__(self, house: House, web: Web, worker: Process) -> None:
        self.house = house
        self.web = web
        self.worker = worker

    async def outcome(self, kind: str, *, request: dict[str, Any] | None = None, **params: Any) -> Job:
        """How a new job ends."""
        return await self.ended(await self.web.submit(kind, request=request, **params))

    async def ended(self, job_id: str) -> Job:
        """The job, once it has; its log is whole."""
        (job,) = await self.house.ended(job_id)
        assert_contiguous(await self.house.log(job_id))
        return job

    async def cancel(self, job_id: str) -> float:
        """Asked for and carried out; seconds in between, by the times of the log."""
        answer = await self.web.cancel(job_id)
        assert answer.status_code == (200 if answer.json()["status"] == "cancelled" else 202)
        await self.house.reached(job_id, "cancelled")
        log = await self.house.log(job_id)
        assert_contiguous(log)
        asked_at = next(event.at for event in log if event.type in ("cancel_requested", "cancelled"))
        return (log[-1].at - asked_at) / 1000

    async def last_event(self, job_id: str) -> dict[str, Any]:
        """What it says."""
        return (await self.house.log(job_id))[-1].parsed()
