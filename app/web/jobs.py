"""The doors of jobs: submit, look, list, and what can be done to one. What it may become, the store decides."""

from math import ceil
from typing import Annotated, Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from app.auth import owner_of
from app.bar import bar
from app.clock import rfc3339
from app.errors import BadRequest, NotAcceptable, UnknownJob
from app.intake.submissions import Submissions
from app.jobs import Job, is_job_id, job_url
from app.settings import Settings
from app.store import JobStore, Listing
from app.web.answer import JsonAnswer
from app.web.body import Bodies
from app.web.filters import filter_of
from app.web.idempotency import key_of
from app.web.negotiation import has_current, known_seq, preferred
from app.web.polls import Polls
from app.web.resource import resource

FORMS: Final = ("application/json", "text/plain")
LIST_PARAMETERS: Final = {"status", "kind", "tag", "created_after", "limit", "cursor"}
MOST_LISTED: Final = 200
LONGEST_CURSOR: Final = 64


class Cancellation(BaseModel):
    """The body of a cancel, if there is one."""

    model_config = ConfigDict(extra="forbid", strict=True)

    reason: Annotated[str, StringConstraints(max_length=500)] | None = None


class Suspension(BaseModel):
    """The body of a suspend, if there is one."""

    model_config = ConfigDict(extra="forbid", strict=True)

    seconds: Annotated[float, Field(ge=0.001)] | None = None


Wanted = TypeVar("Wanted", bound=BaseModel)


class JobDoors:
    """`/api/jobs`, `/api/jobs/{id}`, and what can be done to one: cancel, retry, suspend, resume."""

    def __init__(
        self, settings: Settings, jobs: JobStore, listing: Listing, submissions: Submissions, polls: Polls
    ) -> None:
        self._base_url = settings.public_url
        self._longest_delay = settings.max_delay_seconds
        self._polls = polls
        self._bodies = Bodies(settings)
        self._jobs = jobs
        self._listing = listing
        self._submissions = submissions

    def routes(self) -> list[BaseRoute]:
        return [
            resource("/api/jobs", get=self.list_jobs, post=self.submit),
            resource("/api/jobs/{job_id}", get=self.show, delete=self.delete),
            resource("/api/jobs/{job_id}/cancel", post=self.cancel),
            resource("/api/jobs/{job_id}/retry", post=self.retry),
            resource("/api/jobs/{job_id}/suspend", post=self.suspend),
            resource("/api/jobs/{job_id}/resume", post=self.resume),
        ]

    async def submit(self, request: Request) -> Response:
        """202 with the job, or a refusal and nothing queued."""
        key = key_of(request)
        body = await self._bodies.json(request)
        accepted = await self._submissions.accept(body, owner_of(request), key)
        job = accepted.job
        headers = {"Location": job_url(job.job_id, self._base_url)} | _asking_again(job) | accepted.allowance.headers
        if accepted.replayed:
            headers["Idempotency-Replayed"] = "true"
        if accepted.key_expires_at is not None:
            headers["Idempotency-Expires"] = rfc3339(accepted.key_expires_at)
        return JsonAnswer(job.shown(self._base_url), 202, headers)

    async def show(self, request: Request) -> Response:
        """The job object, or its bar for a terminal; 304 for who has it already; 429 for who asks too often."""
        form = preferred(request.headers.get("accept"), FORMS)
        if form is None:
            raise NotAcceptable(f"A job comes as {' or '.join(FORMS)}.")
        look = await self._polls.look(request, known=known_seq(request))
        etag = f'"{look.seq}"' if form == "application/json" else f'W/"{look.seq}"'
        headers = {"ETag": etag, "Cache-Control": "private, no-cache", "Vary": "Accept"} | look.allowance.headers
        if look.view is None or not look.view.job.ended:
            headers["Retry-After"] = str(ceil(look.poll_ms / 1000))
        if look.view is None or has_current(request, etag):
            return Response(status_code=304, headers=headers)
        if form == "text/plain":
            return Response(f"{bar(look.view.job)}\n", headers=headers, media_type=form)
        return JsonAnswer(look.view.job.shown(self._base_url), headers=headers)

    async def list_jobs(self, request: Request) -> Response:
        """A page of the owner's jobs, newest first."""
        query = request.query_params
        if unknown := sorted(set(query) - LIST_PARAMETERS):
            raise BadRequest(f"There is no parameter {unknown[0][:64]!r} here.", parameter=unknown[0][:64])
        wanted, limit, cursor = filter_of(query), _limit(query.get("limit", "50")), query.get("cursor")
        try:
            if cursor and len(cursor) > LONGEST_CURSOR:
                raise ValueError(cursor)
            page = await self._listing.page(owner_of(request), wanted, limit=limit, cursor=cursor)
        except ValueError:
            raise BadRequest("`cursor` must be a `next_cursor` of an earlier page.", parameter="cursor") from None
        shown = {"jobs": [job.shown(self._base_url) for job in page.jobs], "next_cursor": page.next_cursor}
        return JsonAnswer(shown, headers={"Cache-Control": "private, no-cache"})

    async def cancel(self, request: Request) -> Response:
        """200 when the job has ended, now or before; 202 while it is being stopped."""
        wanted = _body(Cancellation, await self._bodies.json(request, default={}), '{"reason": up to 500 characters}')
        return await self._cancelled(request, wanted.reason)

    async def delete(self, request: Request) -> Response:
        """Cancel a job that has not ended; forget one that has, with its files: 200 with what it was."""
        job = await owned_job(self._jobs, request)
        if not job.ended:
            return await self._cancelled(request, None)
        await self._jobs.purge(job.job_id)
        return JsonAnswer(job.shown(self._base_url))

    async def retry(self, request: Request) -> Response:
        """202: a failed or cancelled job is pending again, with all its attempts; its log goes on."""
        job = await owned_job(self._jobs, request)
        await self._jobs.retry(job.job_id, owner_of(request))
        return await self._as_it_stands(request, 202)

    async def suspend(self, request: Request) -> Response:
        """200: a pending job is not started until it is resumed, or `seconds` are over."""
        job = await owned_job(self._jobs, request)
        wanted = _body(Suspension, await self._bodies.json(request, default={}), '{"seconds": a number}')
        seconds = min(wanted.seconds or self._longest_delay, self._longest_delay)
        await self._jobs.suspend(job.job_id, owner_of(request), round(seconds * 1000))
        return await self._as_it_stands(request, 200)

    async def resume(self, request: Request) -> Response:
        """200: it may be started again."""
        job = await owned_job(self._jobs, request)
        await self._jobs.resume(job.job_id, owner_of(request))
        return await self._as_it_stands(request, 200)

    async def _as_it_stands(self, request: Request, status: int) -> Response:
        job = await owned_job(self._jobs, request)
        return JsonAnswer(job.shown(self._base_url), status, _asking_again(job))

    async def _cancelled(self, request: Request, reason: str | None) -> Response:
        job = await owned_job(self._jobs, request)
        if not job.ended:
            await self._jobs.cancel(job.job_id, owner_of(request), reason)
            job = await owned_job(self._jobs, request)
        return JsonAnswer(job.shown(self._base_url), 200 if job.ended else 202, _asking_again(job))


async def owned_job(jobs: JobStore, request: Request) -> Job:
    """The job in the path. Raises UnknownJob also for one of another owner, and for what can be no id at all."""
    job_id = request.path_params["job_id"]
    view = await jobs.read(job_id) if is_job_id(job_id) else None
    if view is None or view.job.owner != owner_of(request):
        raise UnknownJob(job_id=job_id[:64])
    return view.job


def _asking_again(job: Job) -> dict[str, str]:
    return {} if job.ended else {"Retry-After": str(job.retry_after())}


def _limit(text: str) -> int:
    limit = int(text) if text.isascii() and text.isdigit() and len(text) <= 3 else 0
    if not 0 < limit <= MOST_LISTED:
        raise BadRequest(f"`limit` must be a number from 1 to {MOST_LISTED}.", parameter="limit")
    return limit


def _body(model: type[Wanted], body: Any, form: str) -> Wanted:
    try:
        return model.model_validate(body)
    except ValidationError:
        raise BadRequest(f"The body may be {form}, or empty.") from None
