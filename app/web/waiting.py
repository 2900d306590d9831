"""Holding an answer back until there is news (`Prefer: wait`, RFC 7240 section 4.3). Used by the doors of jobs.

A wait goes on from the job its door has read, as a stream goes on from an id: it is subscribed first, then reads what
came since, then listens. So nothing falls between, and meanwhile it holds no connection to Redis.
"""

from starlette.requests import ClientDisconnect, Request

from app.auth import owner_of
from app.errors import Refusal, UnknownJob
from app.hub import Bell, Channel, Full, History, Hub
from app.jobs import Job
from app.web.connection import until_gone
from app.web.negotiation import has_current


class Waits:
    """Each returns the job as it stands after the wait, and the seconds granted: 0 when there was no wait."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def for_end(self, request: Request, job: Job, seconds: int) -> tuple[Job, int]:
        """Until the job has ended, at most `seconds`. Of a job just accepted; so nothing is refused any more.

        Raises starlette's ClientDisconnect.
        """
        try:
            return await self._held(request, job, seconds, only_end=True)
        except Refusal:
            return job, 0

    async def for_news(self, request: Request, job: Job, seconds: int) -> tuple[Job, int]:
        """Until it is no longer what `If-None-Match` names, at most `seconds`; without that header, until it has ended.

        Raises UnknownJob, Unavailable or starlette's ClientDisconnect.
        """
        has_some = "if-none-match" in request.headers
        if has_some and not has_current(request, f'"{job.seq}"'):
            return job, seconds
        return await self._held(request, job, seconds, only_end=not has_some)

    async def _held(self, request: Request, job: Job, seconds: int, *, only_end: bool) -> tuple[Job, int]:
        if job.ended or not seconds:
            return job, seconds
        bell = Bell(seconds, only_end=only_end)
        try:
            with self._hub.admitted(owner_of(request), bell.writer):
                later = await self._heard(request, job, bell)
        except Full:
            return job, 0
        return later, 0 if bell.dismissed else seconds

    async def _heard(self, request: Request, job: Job, bell: Bell) -> Job:
        """The job after the bell has rung. All who are woken by one event share one read."""
        try:
            channel = await self._hub.watch(job.job_id, bell.subscription)
            await channel.join(bell.subscription, await _history(channel, job.seq), job.seq)
            if not await bell.rings_during(until_gone(request.receive)):
                raise ClientDisconnect
            return (await _history(channel, None)).job
        finally:
            self._hub.unwatch(job.job_id, bell.subscription)


async def _history(channel: Channel, after: int | None) -> History:
    history = await channel.history(after)
    if history is None:
        raise UnknownJob(job_id=channel.job_id)
    return history
