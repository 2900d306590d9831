"""What can be asked of single jobs: submitting them, how they stand, and what is done to them."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from pydantic_core import from_json

from app.client.asking import (
    PATIENT_SECONDS,
    asked,
    asked_for_object,
    asked_once_for_object,
    paged,
    posted,
    posted_once,
    read_object,
)
from app.client.download import downloaded
from app.client.errors import NotCompleted
from app.client.faces import operation, telling
from app.client.wire import Call, Json, Wire
from app.jobs import TERMINAL

WAIT_SECONDS: Final = 20
"""How long one request waits for the end of a job."""

LONGEST_POLL_SECONDS: Final = 60
"""A service that is waited on may ask for this much patience."""


class JobOperations:
    """Those of both faces that are about jobs."""

    wire: Wire

    @operation
    async def submit(
        self,
        /,
        kind: str,
        params: Mapping[str, Any],
        *,
        tags: Sequence[str] = (),
        idempotency_key: str = "",
        **more: Any,
    ) -> Json:
        """Submit a job, once however often the request has to be repeated. Returns the job object.

        `more` are further members of the request, as `priority`, `callback_url` or `delay_seconds` (docs/api.md). A
        caller that may itself run again gives a key of its own, as an order's number.
        """
        body = {"kind": kind, "params": params} | ({"tags": list(tags)} if tags else {}) | more
        return await posted_once(self.wire, "/api/jobs", body, idempotency_key)

    @operation
    async def job(self, job_id: str) -> Json:
        """The job object, as it stands."""
        return await asked_for_object(self.wire, Call("GET", job_path(job_id)))

    @telling
    def jobs(self, /, **filters: str | Sequence[str]) -> AsyncGenerator[Json]:
        """Job objects, the newest first: all, or those of a `status`, `kind`, `tag`, `metadata`, `batch_id`."""
        return paged(self.wire, "/api/jobs", "jobs", filters)

    @operation
    async def events(self, job_id: str, after: int = 0) -> list[Json]:
        """What its log keeps of a higher seq."""
        call = Call("GET", f"{job_path(job_id)}/events?after={after}", {"Accept": "application/json"})
        found: list[Json] = (await asked_for_object(self.wire, call))["events"]
        return found

    @operation
    async def cancel(self, job_id: str, reason: str = "") -> Json:
        """Ask for the job to be stopped. Returns the job object, which may say that it had ended before."""
        body = {"reason": reason} if reason else None
        return await asked_for_object(self.wire, posted(f"{job_path(job_id)}/cancel", body))

    @operation
    async def retry(self, job_id: str) -> Json:
        """Run a job that failed or was cancelled again. Returns the job object."""
        return await asked_once_for_object(self.wire, posted(f"{job_path(job_id)}/retry"))

    @operation
    async def suspend(self, job_id: str, seconds: float | None = None) -> Json:
        """Keep a pending job from starting, for so long or until it is resumed. Returns the job object."""
        body = None if seconds is None else {"seconds": seconds}
        return await asked_for_object(self.wire, posted(f"{job_path(job_id)}/suspend", body))

    @operation
    async def resume(self, job_id: str) -> Json:
        """Let a suspended job be started. Returns the job object."""
        return await asked_for_object(self.wire, posted(f"{job_path(job_id)}/resume"))

    @operation
    async def purge(self, job_id: str) -> Json:
        """Have a job that has ended and its files forgotten. Returns what it was; one that has not is cancelled."""
        return await asked_once_for_object(self.wire, Call("DELETE", job_path(job_id)))

    @operation
    async def wait(self, job_id: str) -> Json:
        """The job object, once the job has ended. It asks seldom, and no sooner than the service says."""
        return await _ended(self.wire, job_id)

    @operation
    async def result(self, job_id: str) -> Any:
        """What the handler returned, once the job has completed. Raises NotCompleted when it ends otherwise."""
        job = await _completed(self.wire, job_id)
        if job["result"] is not None or job["artifacts"] or not job["result_url"]:
            return job["result"]
        return from_json((await asked(self.wire, Call("GET", f"{job_path(job_id)}/result"))).body)

    @operation
    async def download(
        self,
        job_id: str,
        to: str | PathLike[str],
        artifact: str = "",
        on_progress: Callable[[int], None] = lambda n: None,
    ) -> Path:
        """Put an artifact, or without a name the main one, into a file once the job has completed.

        What breaks off is gone on with. Raises NotCompleted when the job ends otherwise, and OSError.
        """
        await _completed(self.wire, job_id)
        what = f"artifacts/{quote(artifact, safe='')}" if artifact else "result"
        return await downloaded(self.wire, f"{job_path(job_id)}/{what}", Path(to), on_progress)


def job_path(job_id: str) -> str:
    """Where the job is."""
    return f"/api/jobs/{quote(job_id, safe='')}"


async def _completed(wire: Wire, job_id: str) -> Json:
    job = await _ended(wire, job_id)
    if job["status"] != "completed":
        raise NotCompleted(job)
    return job


async def _ended(wire: Wire, job_id: str) -> Json:
    while True:
        call = Call("GET", job_path(job_id), {"Prefer": f"wait={WAIT_SECONDS}"}, held_seconds=WAIT_SECONDS)
        reply = await asked(wire, call, waits=PATIENT_SECONDS, longest=LONGEST_POLL_SECONDS)
        job = read_object(reply, wire.url)
        if job["status"] in TERMINAL:
            return job
        if "wait" not in reply.headers.get("Preference-Applied", ""):  # it was not held back, so we do that
            await wire.pause(reply.retry_after or LONGEST_POLL_SECONDS)
