"""The doors of jobs: submit, look, list. What can be done to one is in `commands.py`."""

from math import ceil
from typing import Annotated, Any, Final

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from app.auth import Reach, Scope, principal_of
from app.bar import bar
from app.clock import rfc3339
from app.errors import (
    BadRequest,
    Forbidden,
    IdempotencyConflict,
    InvalidJob,
    InvalidParams,
    NotAcceptable,
    PollTooFast,
    QueueFull,
    StoreFull,
    SubmitTooFast,
    Unavailable,
    UnknownInput,
    UnknownJob,
    UnknownKind,
)
from app.intake.submissions import JobRequest, Submissions
from app.settings import Settings
from app.shapes.job import JobObject, JobPage
from app.store import Listing
from app.store.listing import CURSOR
from app.web.answer import JsonAnswer, NotModified
from app.web.body import Bodies
from app.web.commands import CommandDoors
from app.web.contract import JSON_BODY, Answer, Parameter, Tag, describes
from app.web.filters import BATCH, FILTERS, METADATA, OWNER, REPEATABLE, SEARCH, filter_of, owner_in, within
from app.web.headers import APPLIED, CACHE_CONTROL, ETAG, KEY_EXPIRES, LOCATION, QUOTA, REPLAYED, RETRY_AFTER, VARY
from app.web.idempotency import IDEMPOTENCY_KEY, key_of
from app.web.negotiation import IF_NONE_MATCH, accept_of, has_current, preferred
from app.web.owned import asking_again
from app.web.prefer import PREFER, Preferences, applied
from app.web.query import parameters
from app.web.resource import resource
from app.web.waiting import Waits

FORMS: Final = ("application/json", "text/plain")
MOST_LISTED: Final = 200

JOBS: Final = Tag("Jobs", "Submit, look, list.")
ACCEPTED: Final = (
    LOCATION,
    RETRY_AFTER.sometimes,
    *QUOTA,
    REPLAYED.sometimes,
    KEY_EXPIRES.sometimes,
    APPLIED.sometimes,
)
LOOKED: Final = (ETAG, CACHE_CONTROL, VARY, RETRY_AFTER.sometimes, *QUOTA, APPLIED.sometimes)

NOT_ACCEPTED: Final = (
    InvalidJob,
    UnknownKind,
    InvalidParams,
    UnknownInput,
    IdempotencyConflict,
    SubmitTooFast,
    QueueFull,
    StoreFull,
    Unavailable,
)
"""What a submission may come to; a batch of them as well."""


class JobDoors:
    """`/api/jobs` and `/api/jobs/{id}`."""

    def __init__(
        self, settings: Settings, submissions: Submissions, listing: Listing, waits: Waits, commands: CommandDoors
    ) -> None:
        self._base_url = settings.public_url
        self._bodies = Bodies(settings)
        self._submissions = submissions
        self._listing = listing
        self._waits = waits
        self._commands = commands

    def routes(self) -> list[BaseRoute]:
        return [
            resource("/api/jobs", get=self.list_jobs, post=self.submit),
            resource("/api/jobs/{job_id}", get=self.show, delete=self._commands.delete),
        ]

    @describes(
        "submit_job",
        JOBS,
        scope=Scope.SUBMIT,
        narrowed=True,
        parameters=[IDEMPOTENCY_KEY, PREFER],
        body=JobRequest,
        answers=[
            Answer(200, "It has ended within the wait.", JobObject, ACCEPTED),
            Answer(202, "Accepted: it is queued.", JobObject, ACCEPTED),
        ],
        refuses=[*JSON_BODY, *NOT_ACCEPTED],
        calls_back="job",
    )
    async def submit(self, request: Request) -> Response:
        """Submit a job.

        202 with the job, or a refusal and nothing queued; 200 when it has ended within the wait asked for. With an
        `Idempotency-Key` a repeat is answered by the earlier job, so it is safe to send a submission again whose answer
        got lost.
        """
        key, prefer, principal = key_of(request), Preferences.of(request), principal_of(request)
        body = await self._bodies.json(request)
        if principal.reach:
            key = _single(principal.reach, body)
        accepted = await self._submissions.accept(body, principal.owner, key, principal.submit_rate, principal.single)
        job, waited = await self._waits.for_end(request, accepted.job, prefer.wait)
        shown = job.shown(self._base_url)
        headers = {"Location": shown["links"]["self"]} | asking_again(job) | accepted.allowance.headers
        headers |= applied(respond_async=prefer.respond_async, wait=waited)
        if accepted.replayed:
            headers["Idempotency-Replayed"] = "true"
        if accepted.key_expires_at is not None:
            headers["Idempotency-Expires"] = rfc3339(accepted.key_expires_at)
        return JsonAnswer(shown, 200 if waited and job.ended else 202, headers)

    @describes(
        "show_job",
        JOBS,
        scope=Scope.READ,
        narrowed=True,
        parameters=[IF_NONE_MATCH, PREFER],
        answers=[
            Answer(200, "The job as it stands.", {"application/json": JobObject, "text/plain": str}, LOOKED),
            Answer(304, "The client has it.", None, LOOKED),
        ],
        refuses=[UnknownJob, NotAcceptable, PollTooFast, Unavailable],
    )
    async def show(self, request: Request) -> Response:
        """Look at a job.

        The job object, or its bar for a terminal; 304 for who has it already; 429 for who asks too often. With
        `Prefer: wait` and `If-None-Match` the answer comes at the next change.
        """
        form = preferred(accept_of(request), FORMS)
        if form is None:
            raise NotAcceptable(f"A job comes as {' or '.join(FORMS)}.", header="Accept")
        look, waited = await self._waits.for_news(request, Preferences.of(request).wait)
        etag = f'"{look.seq}"' if form == "application/json" else f'W/"{look.seq}"'
        headers = {"ETag": etag, "Cache-Control": "private, no-cache", "Vary": "Accept, Prefer"}
        headers |= look.allowance.headers | applied(wait=waited)
        if not look.ended:
            headers["Retry-After"] = str(ceil(look.poll_ms / 1000))
        if look.view is None or has_current(request, etag):
            return NotModified(headers)
        if form == "text/plain":
            return Response(f"{bar(look.view.job)}\n", headers=headers, media_type=form)
        return JsonAnswer(look.view.job.shown(self._base_url), headers=headers)

    @describes(
        "list_jobs",
        JOBS,
        scope=Scope.READ,
        narrowed=True,
        parameters=[
            *FILTERS,
            METADATA,
            BATCH,
            OWNER,
            SEARCH,
            Parameter("limit", "Jobs on a page, else 50.", Annotated[int, Field(ge=1, le=MOST_LISTED)]),
            Parameter("cursor", "The `next_cursor` of the page before.", Annotated[str, Field(pattern=CURSOR)]),
        ],
        answers=[Answer(200, "A page.", JobPage, [CACHE_CONTROL])],
        refuses=[Unavailable],
    )
    async def list_jobs(self, request: Request) -> Response:
        """List jobs.

        A page of the owner's jobs, newest first; an operator may ask for those of others. A page may be short, even
        empty, and still lead on.
        """
        once, many = {"created_after", "batch_id", "owner", "q", "limit", "cursor"}, REPEATABLE | {"metadata"}
        query = parameters(request, once=once, many=many)
        principal = principal_of(request)
        owner, wanted = owner_in(principal, query.get("owner")), within(principal.reach, filter_of(query))
        limit, cursor = _limit(query.get("limit", "50")), query.get("cursor")
        try:
            page = await self._listing.page(owner, wanted, limit=limit, cursor=cursor)
        except ValueError:
            raise BadRequest("`cursor` must be a `next_cursor` of an earlier page.", parameter="cursor") from None
        shown = {"jobs": [job.shown(self._base_url) for job in page.jobs], "next_cursor": page.next_cursor}
        return JsonAnswer(shown, headers={"Cache-Control": "private, no-cache"})


def _single(reach: Reach, body: Any) -> str:
    """The key by which a token submits once: a repeat is the same job. No client's key looks like it.

    Raises Forbidden for another kind than the token's.
    """
    if not isinstance(body, dict) or body.get("kind") != reach.kind:
        raise Forbidden(f"This token is for a single job of the kind {reach.kind!r}.")
    return f"§{reach.single}"


def _limit(text: str) -> int:
    limit = int(text) if text.isascii() and text.isdigit() and len(text) <= 3 else 0
    if not 0 < limit <= MOST_LISTED:
        raise BadRequest(f"`limit` must be a number from 1 to {MOST_LISTED}.", parameter="limit")
    return limit
