"""The doors of jobs: submit, look, list, cancel. What a job may become is decided in the store, not here."""

from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from app.auth import owner_of
from app.bar import bar
from app.errors import (
    BadRequest,
    IdempotencyConflict,
    InvalidJob,
    InvalidParams,
    NotAcceptable,
    Unavailable,
    UnknownInput,
    UnknownJob,
    UnknownKind,
)
from app.intake.submissions import JobRequest, Submissions
from app.jobs import Job, is_job_id, job_url
from app.settings import Settings
from app.shapes.job import JobObject, JobPage
from app.store import JobStore, Listing
from app.store.listing import CURSOR
from app.web.answer import JsonAnswer
from app.web.body import Bodies
from app.web.contract import JSON_BODY, Answer, Parameter, Tag, describes
from app.web.filters import CREATED_AFTER, FILTERS, filter_of
from app.web.headers import CACHE_CONTROL, ETAG, LOCATION, REPLAYED, RETRY_AFTER, VARY
from app.web.idempotency import IDEMPOTENCY_KEY, key_of
from app.web.negotiation import IF_NONE_MATCH, has_current, preferred
from app.web.resource import resource

FORMS: Final = ("application/json", "text/plain")
MOST_LISTED: Final = 200

JOBS: Final = Tag("Jobs", "Submit, look, list, cancel.")
LIST_PARAMETERS: Final = (
    *FILTERS,
    CREATED_AFTER,
    Parameter("limit", "Jobs on a page; 50 where nothing is said.", Annotated[int, Field(ge=1, le=MOST_LISTED)]),
    Parameter("cursor", "The `next_cursor` of the page before.", Annotated[str, Field(pattern=CURSOR)]),
)


class Cancellation(BaseModel):
    """The body of a cancel, if there is one."""

    model_config = ConfigDict(
        extra="forbid", strict=True, json_schema_extra={"examples": [{"reason": "not needed any more"}]}
    )

    reason: Annotated[str, StringConstraints(max_length=500)] | None = None


CANCELLED: Final = (
    Answer(200, "It has ended.", JobObject),
    Answer(202, "It is being stopped.", JobObject, [RETRY_AFTER]),
)


class JobDoors:
    """`/api/jobs`, `/api/jobs/{id}` and `/api/jobs/{id}/cancel`."""

    def __init__(self, settings: Settings, jobs: JobStore, listing: Listing, submissions: Submissions) -> None:
        self._base_url = settings.public_url
        self._bodies = Bodies(settings)
        self._jobs = jobs
        self._listing = listing
        self._submissions = submissions

    def routes(self) -> list[BaseRoute]:
        return [
            resource("/api/jobs", get=self.list_jobs, post=self.submit),
            resource("/api/jobs/{job_id}", get=self.show, delete=self.delete),
            resource("/api/jobs/{job_id}/cancel", post=self.cancel),
        ]

    @describes(
        "submit_job",
        JOBS,
        parameters=[IDEMPOTENCY_KEY],
        body=JobRequest,
        answers=[
            Answer(202, "Accepted: it is queued.", JobObject, [LOCATION, RETRY_AFTER.sometimes, REPLAYED.sometimes])
        ],
        refuses=[
            *JSON_BODY,
            InvalidJob,
            UnknownKind,
            InvalidParams,
            UnknownInput,
            IdempotencyConflict,
            Unavailable,
        ],
    )
    async def submit(self, request: Request) -> Response:
        """Submit a job.

        202 with the job, or a refusal and nothing queued. With an `Idempotency-Key` a repeat is answered by the
        earlier job, so it is safe to send a submission again whose answer got lost.
        """
        key = key_of(request)
        body = await self._bodies.json(request)
        job, replayed = await self._submissions.accept(body, owner_of(request), key)
        headers = {"Location": job_url(job.job_id, self._base_url)} | _asking_again(job)
        if replayed:
            headers["Idempotency-Replayed"] = "true"
        return JsonAnswer(job.shown(self._base_url), 202, headers)

    @describes(
        "show_job",
        JOBS,
        parameters=[IF_NONE_MATCH],
        answers=[
            Answer(
                200,
                "The job as it stands.",
                {"application/json": JobObject, "text/plain": str},
                [ETAG, CACHE_CONTROL, VARY, RETRY_AFTER.sometimes],
            ),
            Answer(304, "The client has it.", None, [ETAG, CACHE_CONTROL, VARY, RETRY_AFTER.sometimes]),
        ],
        refuses=[UnknownJob, NotAcceptable, Unavailable],
    )
    async def show(self, request: Request) -> Response:
        """Look at a job.

        The job object, or its bar for a terminal; 304 for who has it already.
        """
        form = preferred(request.headers.get("accept"), FORMS)
        if form is None:
            raise NotAcceptable(f"A job comes as {' or '.join(FORMS)}.")
        job = await owned_job(self._jobs, request)
        etag = f'"{job.seq}"' if form == "application/json" else f'W/"{job.seq}"'
        headers = {"ETag": etag, "Cache-Control": "private, no-cache", "Vary": "Accept"} | _asking_again(job)
        if has_current(request, etag):
            return Response(status_code=304, headers=headers)
        if form == "text/plain":
            return Response(f"{bar(job)}\n", headers=headers, media_type=form)
        return JsonAnswer(job.shown(self._base_url), headers=headers)

    @describes(
        "list_jobs",
        JOBS,
        parameters=LIST_PARAMETERS,
        answers=[Answer(200, "A page.", JobPage, [CACHE_CONTROL])],
        refuses=[Unavailable],
    )
    async def list_jobs(self, request: Request) -> Response:
        """List jobs.

        A page of the owner's jobs, newest first.
        """
        query = request.query_params
        if unknown := sorted(set(query) - {parameter.name for parameter in LIST_PARAMETERS}):
            raise BadRequest(f"There is no parameter {unknown[0][:64]!r} here.", parameter=unknown[0][:64])
        wanted, limit, cursor = filter_of(query), _limit(query.get("limit", "50")), query.get("cursor")
        try:
            page = await self._listing.page(owner_of(request), wanted, limit=limit, cursor=cursor)
        except ValueError:
            raise BadRequest("`cursor` must be a `next_cursor` of an earlier page.", parameter="cursor") from None
        shown = {"jobs": [job.shown(self._base_url) for job in page.jobs], "next_cursor": page.next_cursor}
        return JsonAnswer(shown, headers={"Cache-Control": "private, no-cache"})

    @describes(
        "cancel_job",
        JOBS,
        body=Cancellation,
        body_optional=True,
        answers=CANCELLED,
        refuses=[*JSON_BODY, UnknownJob, Unavailable],
    )
    async def cancel(self, request: Request) -> Response:
        """Cancel a job.

        200 when the job has ended, now or before; 202 while it is being stopped.
        """
        return await self._cancelled(request, _reason(await self._bodies.json(request, default={})))

    @describes("delete_job", JOBS, answers=CANCELLED, refuses=[UnknownJob, Unavailable])
    async def delete(self, request: Request) -> Response:
        """Cancel a job, without a word why.

        As `POST /api/jobs/{job_id}/cancel`.
        """
        return await self._cancelled(request, None)

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


def _reason(body: Any) -> str | None:
    try:
        return Cancellation.model_validate(body).reason
    except ValidationError:
        raise BadRequest('The body may be {"reason": "up to 500 characters"}, or empty.') from None
