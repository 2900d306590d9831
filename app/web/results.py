"""The doors of what jobs leave behind: the result, and each artifact."""

from typing import NoReturn

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from app.artifacts import FileStore
from app.errors import ResultExpired, ResultNotReady, UnknownArtifact
from app.jobs import Artifact, Job, Status
from app.store import JobStore
from app.web.answer import JsonAnswer
from app.web.download import PRIVATE, download
from app.web.negotiation import has_current
from app.web.owned import owned_job
from app.web.polls import Polls
from app.web.resource import resource


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

    async def result(self, request: Request) -> Response:
        """The main artifact's file, or the result as JSON where the job saved no file."""
        job = await owned_job(self._jobs, request)
        if job.status is not Status.COMPLETED:
            await self._polls.look(request, known=job.seq)
            _not_ready(job)
        _refuse_expired(job)
        if job.main_artifact:
            return await self._file(request, job, job.main_artifact)
        headers = {"ETag": f'"{job.seq}"', "Cache-Control": PRIVATE}
        if has_current(request, headers["ETag"]):
            return Response(status_code=304, headers=headers)
        return JsonAnswer(job.result, headers=headers)

    async def artifact(self, request: Request) -> Response:
        """One file, as soon as the handler has saved it."""
        job = await owned_job(self._jobs, request)
        name = request.path_params["name"]
        artifact = next((a for a in job.artifacts if a.name == name), None)
        if artifact is None:
            raise UnknownArtifact(f"The job has no artifact {name[:200]!r}.", job_id=job.job_id)
        _refuse_expired(job)
        return await self._file(request, job, artifact)

    async def _file(self, request: Request, job: Job, artifact: Artifact) -> Response:
        response = await download(request, artifact, self._files, job.as_of)
        if response is None:
            raise ResultExpired("The file is gone.", job_id=job.job_id)
        return response


def _not_ready(job: Job) -> NoReturn:
    headers = {} if job.ended else {"Retry-After": str(job.retry_after())}
    raise ResultNotReady(f"The job is {job.status}.", headers=headers, job_id=job.job_id, job_status=job.status)


def _refuse_expired(job: Job) -> None:
    if job.expired:
        raise ResultExpired("Its time is over.", job_id=job.job_id)
