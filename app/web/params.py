"""The door to what a job was given."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from app.auth import Scope
from app.errors import ResultExpired, Unavailable, UnknownJob
from app.store import JobStore
from app.web.contract import Answer, describes
from app.web.download import PRIVATE
from app.web.headers import CACHE_CONTROL
from app.web.owned import owned_job
from app.web.resource import resource
from app.web.results import RESULTS


class ParamsDoors:
    """`/api/jobs/{id}/params`."""

    def __init__(self, jobs: JobStore) -> None:
        self._jobs = jobs

    def routes(self) -> list[BaseRoute]:
        return [resource("/api/jobs/{job_id}/params", get=self.show)]

    @describes(
        "get_params",
        RESULTS,
        scope=Scope.READ,
        narrowed=True,
        answers=[Answer(200, "The params.", dict[str, Any], [CACHE_CONTROL])],
        refuses=[UnknownJob, ResultExpired, Unavailable],
    )
    async def show(self, request: Request) -> Response:
        """The params a job was submitted with, for as long as it can be run again."""
        job = await owned_job(self._jobs, request)
        params = await self._jobs.params(job.job_id)
        if params is None:
            raise ResultExpired("Its params are no longer kept.", job_id=job.job_id)
        return Response(params, headers={"Cache-Control": PRIVATE}, media_type="application/json")
