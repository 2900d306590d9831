"""The job in a request's path, for the doors that do not count how often they are asked for it."""

from starlette.requests import Request

from app.auth import owner_of
from app.errors import UnknownJob
from app.jobs import Job, is_job_id
from app.store import JobStore


async def owned_job(jobs: JobStore, request: Request) -> Job:
    """The job in the path. Raises UnknownJob also for one of another owner, and for what can be no id at all."""
    job_id = request.path_params["job_id"]
    view = await jobs.read(job_id) if is_job_id(job_id) else None
    if view is None or view.job.owner != owner_of(request):
        raise UnknownJob(job_id=job_id[:64])
    return view.job


def asking_again(job: Job) -> dict[str, str]:
    """When to look at it next, as a header."""
    return {} if job.ended else {"Retry-After": str(job.retry_after())}
