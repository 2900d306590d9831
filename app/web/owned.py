"""The job or the batch in a request's path, for the doors that do not count how often they are asked for it."""

from starlette.requests import Request

from app.auth import principal_of
from app.batches import Batch
from app.errors import UnknownBatch, UnknownJob
from app.jobs import Job, is_job_id
from app.store import BatchStore, JobStore


async def owned_job(jobs: JobStore, request: Request) -> Job:
    """The job in the path. Raises UnknownJob also for one of another owner, and for what can be no id at all."""
    job_id = request.path_params["job_id"]
    view = await jobs.read(job_id) if is_job_id(job_id) else None
    if view is None or not principal_of(request).sees(view.job):
        raise UnknownJob(job_id=job_id[:64])
    return view.job


async def owned_batch(batches: BatchStore, request: Request) -> Batch:
    """The batch in the path. Raises UnknownBatch in the same cases."""
    batch_id = request.path_params["batch_id"]
    batch = await batches.read(batch_id) if is_job_id(batch_id) else None
    if batch is None or not principal_of(request).sees_batch(batch):
        raise UnknownBatch(batch_id=batch_id[:64])
    return batch


def asking_again(job: Job) -> dict[str, str]:
    """When to look at it next, as a header."""
    return {} if job.ended else {"Retry-After": str(job.retry_after())}
