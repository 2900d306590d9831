"""A client that asks how its job stands, again and again: what it is told, and how soon it may ask next.

Used by the doors of a job, its log and its result. What counts is who asks for which job; the script keeps the count.
"""

from starlette.requests import Request

from app.auth import principal_of
from app.errors import PollTooFast, UnknownJob
from app.jobs import is_job_id
from app.limits import Allowance
from app.store import JobStore, Look


class Polls:
    """`burst` is how many polls of one job may come in a row before the interval is insisted on."""

    def __init__(self, jobs: JobStore, burst: int) -> None:
        self._jobs = jobs
        self._burst = burst

    async def look(
        self, request: Request, *, known: int | None = None, after: int | None = None, waits: bool = False
    ) -> Look:
        """The job in the path, unless its seq is the `known` one; with `after` its log from there on.

        Who is to wait for news does not pay for there being none yet. Raises UnknownJob, also for a job of another
        owner, or PollTooFast.
        """
        job_id = request.path_params["job_id"]
        look = None
        if is_job_id(job_id) and await self._reached(request, job_id):
            principal = principal_of(request)
            look = await self._jobs.poll(
                job_id, principal.sight, principal.owner, known=known, after=after, most=self._burst, waits=waits
            )
        if look is None:
            raise UnknownJob(job_id=job_id[:64])
        if not look.allowed:
            raise too_fast(look.allowance, job_id=job_id)
        return look

    async def _reached(self, request: Request, job_id: str) -> bool:
        """Whether a narrowed token reaches the job, which may hang on its tags. Whose it is the script sees."""
        reach = principal_of(request).reach
        if reach is None or reach.feed or job_id in reach.jobs:
            return True
        view = await self._jobs.read(job_id)
        return view is not None and reach.covers(view.job)


def too_fast(allowance: Allowance, **subject: str) -> PollTooFast:
    """The refusal of who asks more often than allowed."""
    headers = {"Retry-After": str(allowance.next_seconds)} | allowance.headers
    return PollTooFast("Ask again after Retry-After, or open a stream.", headers=headers, **subject)
