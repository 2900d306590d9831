"""Holding an answer back until there is news (`Prefer: wait`, RFC 7240 section 4.3). Used by the doors of jobs.

A wait goes on from the job its door has read, as a stream goes on from an id: it is subscribed first, then reads what
came since, then listens. So nothing falls between, and meanwhile it holds no connection to Redis.
"""

from starlette.requests import ClientDisconnect, Request

from app.auth import principal_of
from app.errors import Refusal, UnknownJob
from app.hub import Bell, Channel, Full, History, Hub
from app.jobs import Job
from app.store import Look
from app.web.connection import until_gone
from app.web.negotiation import has_current, known_seq
from app.web.polls import Polls


class Waits:
    """Each tells the seconds granted: 0 when there was no wait."""

    def __init__(self, hub: Hub, polls: Polls) -> None:
        self._hub = hub
        self._polls = polls

    async def for_end(self, request: Request, job: Job, seconds: int) -> tuple[Job, int]:
        """Until a job has ended, at most `seconds`; as it stands then. Of one just accepted: nothing is refused now.

        Raises starlette's ClientDisconnect.
        """
        if not seconds:
            return job, 0
        try:
            later, waited = await self._held(request, job.job_id, job.seq, Bell(seconds, only_end=True))
        except Refusal:
            return job, 0
        return later or job, seconds if waited else 0

    async def for_news(self, request: Request, seconds: int) -> tuple[Look, int]:
        """The job in the path: as it is, or where the client waits for it, at news or at its end.

        A wait that brings news costs nothing: what is asked again after that is asked for a reason. Raises UnknownJob,
        PollTooFast, Unavailable or starlette's ClientDisconnect.
        """
        look = await self._polls.look(request, known=known_seq(request), waits=seconds > 0)
        conditional = "if-none-match" in request.headers
        has_it = look.view is None or has_current(request, f'"{look.seq}"')
        if look.ended or not seconds or (conditional and not has_it):
            return look, seconds
        bell = Bell(seconds, only_end=not conditional)
        job, waited = await self._held(request, request.path_params["job_id"], look.seq, bell)
        if look.view is None and (job is None or job.seq == look.seq):
            look = await self._polls.look(request, known=look.seq)  # the first one, without a view, was free
        elif job is not None:
            look = look.later(job)
        return look, seconds if waited else 0

    async def _held(self, request: Request, job_id: str, seq: int, bell: Bell) -> tuple[Job | None, bool]:
        try:
            with self._hub.attendance.admitted(principal_of(request), bell.writer):
                later = await self._heard(request, job_id, seq, bell)
        except Full:
            return None, False
        return later, not bell.dismissed

    async def _heard(self, request: Request, job_id: str, seq: int, bell: Bell) -> Job:
        """The job after the bell has rung. All who are woken by one event share one read."""
        try:
            channel = await self._hub.watch(job_id, bell.subscription)
            await channel.join(bell.subscription, await _history(channel, seq), seq)
            if not await bell.rings_during(until_gone(request.receive)):
                raise ClientDisconnect
            return (await _history(channel, None)).job
        finally:
            self._hub.unwatch(job_id, bell.subscription)


async def _history(channel: Channel, after: int | None) -> History:
    history = await channel.history(after)
    if history is None:
        raise UnknownJob(job_id=channel.job_id)
    return history
