"""The doors of what jobs leave behind: the result, and each artifact."""

from typing import Any, Final, NoReturn

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from app.artifacts import FileStore
from app.auth import Scope
from app.errors import (
    PollTooFast,
    RangeNotSatisfiable,
    ResultExpired,
    ResultNotReady,
    Unavailable,
    UnknownArtifact,
    UnknownJob,
)
from app.jobs import Artifact, Job, Status
from app.store import JobStore
from app.web.answer import JsonAnswer, NotModified
from app.web.contract import Answer, Parameter, Tag, describes
from app.web.download import ASKED, PRIVATE, Disposition, asked_disposition, download
from app.web.headers import CACHE_CONTROL, CONTENT_RANGE, DISPOSITION, ETAG, RANGES, SIGNED_LOCATION
from app.web.negotiation import IF_NONE_MATCH, has_current
from app.web.owned import owned_job
from app.web.polls import Polls
from app.web.resource import resource

RESULTS: Final = Tag("Results", "What jobs leave behind.")
RANGE: Final = Parameter("Range", "Which bytes of a file (RFC 9110 section 14.2).", where="header")
FILE: Final = (
    Answer(
        206, "Part of the file.", {"*/*": bytes}, [ETAG, CACHE_CONTROL, CONTENT_RANGE.sometimes, DISPOSITION, RANGES]
    ),
    Answer(303, "The file lies in S3; the link opens it for a while.", None, [SIGNED_LOCATION, CACHE_CONTROL]),
    Answer(304, "The client has it.", None, [ETAG, CACHE_CONTROL]),
)


class ResultDoors:
    """`/api/jobs/{id}/result` and `/api/jobs/{id}/artifacts/{name}`."""

    def __init__(self, jobs: JobStore, files: FileStore, polls: Polls) -> None:
        self._jobs = jobs
        self._polls = polls
        self._files = files

    def routes(self) -> list[BaseRoute]:
        return [
            resource("/api/jobs/{job_id}/result", get=self.result),
            resource("/api/jobs/{job_id}/artifacts/{name}", get=self.artifact),
        ]

    @describes(
        "get_result",
        RESULTS,
        scope=Scope.READ,
        narrowed=True,
        parameters=[ASKED, IF_NONE_MATCH, RANGE],
        answers=[
            Answer(
                200,
                "The result.",
                {"application/json": Any, "*/*": bytes},
                [ETAG, CACHE_CONTROL, DISPOSITION.sometimes, RANGES.sometimes],
            ),
            *FILE,
        ],
        refuses=[UnknownJob, ResultNotReady, ResultExpired, RangeNotSatisfiable, PollTooFast, Unavailable],
    )
    async def result(self, request: Request) -> Response:
        """The result of a job.

        The main artifact's file, or a link to it, or the result as JSON where the job saved no file.
        """
        asked = asked_disposition(request)
        job = await owned_job(self._jobs, request)
        if job.status is not Status.COMPLETED:
            await self._polls.look(request, known=job.seq)
            _not_ready(job)
        _refuse_expired(job)
        if job.main_artifact:
            return await self._file(request, job, job.main_artifact, asked=asked)
        headers = {"ETag": f'"{job.seq}"', "Cache-Control": PRIVATE}
        if asked == "attachment":
            headers["Content-Disposition"] = 'attachment; filename="result.json"'
        if has_current(request, headers["ETag"]):
            return NotModified(headers)
        return JsonAnswer(job.result, headers=headers)

    @describes(
        "get_artifact",
        RESULTS,
        scope=Scope.READ,
        narrowed=True,
        parameters=[ASKED, IF_NONE_MATCH, RANGE],
        answers=[
            Answer(200, "The file.", {"*/*": bytes}, [ETAG, CACHE_CONTROL, DISPOSITION, RANGES]),
            *FILE,
        ],
        refuses=[UnknownJob, UnknownArtifact, ResultExpired, RangeNotSatisfiable, Unavailable],
    )
    async def artifact(self, request: Request) -> Response:
        """A file of a job.

        There as soon as the handler has saved it.
        """
        asked = asked_disposition(request)
        job = await owned_job(self._jobs, request)
        name = request.path_params["name"]
        artifact = next((a for a in job.artifacts if a.name == name), None)
        if artifact is None:
            raise UnknownArtifact(f"The job has no artifact {name[:200]!r}.", job_id=job.job_id)
        _refuse_expired(job)
        return await self._file(request, job, artifact, asked=asked)

    async def _file(self, request: Request, job: Job, artifact: Artifact, *, asked: Disposition | None) -> Response:
        response = await download(request, artifact, self._files, job.as_of, asked=asked)
        if response is None:
            raise ResultExpired("The file is gone.", job_id=job.job_id)
        return response


def _not_ready(job: Job) -> NoReturn:
    headers = {} if job.ended else {"Retry-After": str(job.retry_after())}
    raise ResultNotReady(f"The job is {job.status}.", headers=headers, job_id=job.job_id, job_status=job.status)


def _refuse_expired(job: Job) -> None:
    if job.expired:
        raise ResultExpired("Its time is over.", job_id=job.job_id)
