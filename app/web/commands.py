"""The doors to what can be done to a job: cancel, forget, run again, hold back. What follows, the store decides."""

from contextlib import suppress
from typing import Annotated, Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from app.auth import Scope, owner_of
from app.errors import (
    BadRequest,
    IllegalChange,
    NotRetryable,
    NotSuspendable,
    QueueFull,
    ResultExpired,
    StoreFull,
    Unavailable,
    UnknownJob,
)
from app.intake.misfits import misfits_of
from app.settings import Settings
from app.shapes.job import JobObject
from app.store import JobStore
from app.web.answer import JsonAnswer
from app.web.body import Bodies
from app.web.contract import JSON_BODY, Answer, Tag, describes
from app.web.headers import RETRY_AFTER
from app.web.owned import asking_again, owned_job
from app.web.resource import resource


class Cancellation(BaseModel):
    """The body of a cancel, if there is one."""

    model_config = ConfigDict(
        extra="forbid", strict=True, json_schema_extra={"examples": [{"reason": "not needed any more"}]}
    )

    reason: Annotated[str, StringConstraints(max_length=500)] | None = None


class Suspension(BaseModel):
    """The body of a suspend, if there is one."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra={"examples": [{"seconds": 600}]})

    seconds: Annotated[float, Field(ge=0.001)] | None = None


COMMANDS: Final = Tag("Commands", "What can be done to a job.")
CANCELLED: Final = (
    Answer(200, "It has ended.", JobObject),
    Answer(202, "It is being stopped.", JobObject, [RETRY_AFTER]),
)
STANDS: Final = Answer(200, "The job as it stands.", JobObject, [RETRY_AFTER.sometimes])

Wanted = TypeVar("Wanted", bound=BaseModel)


class CommandDoors:
    """`/api/jobs/{id}/cancel`, `/retry`, `/suspend` and `/resume`, and `DELETE /api/jobs/{id}`."""

    def __init__(self, settings: Settings, jobs: JobStore) -> None:
        self._base_url = settings.public_url
        self._longest_delay = settings.max_delay_seconds
        self._bodies = Bodies(settings)
        self._jobs = jobs

    def routes(self) -> list[BaseRoute]:
        return [
            resource("/api/jobs/{job_id}/cancel", post=self.cancel),
            resource("/api/jobs/{job_id}/retry", post=self.retry),
            resource("/api/jobs/{job_id}/suspend", post=self.suspend),
            resource("/api/jobs/{job_id}/resume", post=self.resume),
        ]

    @describes(
        "cancel_job",
        COMMANDS,
        scope=Scope.CANCEL,
        narrowed=True,
        body=Cancellation,
        body_optional=True,
        answers=CANCELLED,
        refuses=[*JSON_BODY, UnknownJob, Unavailable],
    )
    async def cancel(self, request: Request) -> Response:
        """Cancel a job.

        200 when the job has ended, now or before; 202 while it is being stopped.
        """
        wanted = _body(Cancellation, await self._bodies.json(request, default={}), '{"reason": up to 500 characters}')
        return await self._cancelled(request, wanted.reason)

    @describes("delete_job", COMMANDS, scope=Scope.CANCEL, answers=CANCELLED, refuses=[UnknownJob, Unavailable])
    async def delete(self, request: Request) -> Response:
        """Cancel or forget a job.

        Cancel one that has not ended; forget one that has, with its files: 200 with what it was.
        """
        job = await owned_job(self._jobs, request)
        if job.ended:
            with suppress(IllegalChange):  # unless it is run again just now
                await self._jobs.purge(job.job_id)
                return JsonAnswer(job.shown(self._base_url))
        return await self._cancelled(request, None)

    @describes(
        "retry_job",
        COMMANDS,
        scope=Scope.SUBMIT,
        answers=[Answer(202, "It is pending again.", JobObject, [RETRY_AFTER.sometimes])],
        refuses=[UnknownJob, NotRetryable, ResultExpired, QueueFull, StoreFull, Unavailable],
    )
    async def retry(self, request: Request) -> Response:
        """Run a job again.

        A failed or cancelled job is pending again, with all its attempts; its log goes on.
        """
        job = await owned_job(self._jobs, request)
        await self._jobs.retry(job.job_id, owner_of(request))
        return await self._as_it_stands(request, 202)

    @describes(
        "suspend_job",
        COMMANDS,
        scope=Scope.CANCEL,
        body=Suspension,
        body_optional=True,
        answers=[STANDS],
        refuses=[*JSON_BODY, UnknownJob, NotSuspendable, Unavailable],
    )
    async def suspend(self, request: Request) -> Response:
        """Hold a job back.

        A pending job is not started until it is resumed, or `seconds` are over.
        """
        job = await owned_job(self._jobs, request)
        wanted = _body(Suspension, await self._bodies.json(request, default={}), '{"seconds": a number}')
        seconds = min(wanted.seconds or self._longest_delay, self._longest_delay)
        await self._jobs.suspend(job.job_id, owner_of(request), round(seconds * 1000))
        return await self._as_it_stands(request, 200)

    @describes(
        "resume_job", COMMANDS, scope=Scope.CANCEL, answers=[STANDS], refuses=[UnknownJob, NotSuspendable, Unavailable]
    )
    async def resume(self, request: Request) -> Response:
        """Let a job be started again."""
        job = await owned_job(self._jobs, request)
        await self._jobs.resume(job.job_id, owner_of(request))
        return await self._as_it_stands(request, 200)

    async def _as_it_stands(self, request: Request, status: int) -> Response:
        job = await owned_job(self._jobs, request)
        return JsonAnswer(job.shown(self._base_url), status, asking_again(job))

    async def _cancelled(self, request: Request, reason: str | None) -> Response:
        job = await owned_job(self._jobs, request)
        if not job.ended:
            await self._jobs.cancel(job.job_id, owner_of(request), reason)
            job = await owned_job(self._jobs, request)
        return JsonAnswer(job.shown(self._base_url), 200 if job.ended else 202, asking_again(job))


def _body(model: type[Wanted], body: Any, form: str) -> Wanted:
    try:
        return model.model_validate(body)
    except ValidationError as error:
        raise BadRequest(f"The body may be {form}, or empty.", errors=misfits_of(error)) from None
