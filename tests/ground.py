"""Ground truth for tests of store and hub: submissions as a door would make them, and a worker's moves by hand."""

from typing import Any

from app.events import json_text
from app.jobs import Submission
from app.store import Change, JobStore, Run

OWNER = "default"


def submission(**fields: Any) -> Submission:
    """An ordinary job of kind `k` unless told otherwise."""
    ordinary: dict[str, Any] = {
        "kind": "k",
        "params": "{}",
        "owner": OWNER,
        "queue": "default",
        "max_attempts": 3,
        "timeout_ms": 60_000,
        "result_ttl_ms": 3_600_000,
    }
    return Submission(**(ordinary | fields))


async def accepted(jobs: JobStore, **fields: Any) -> str:
    """The id of a job just accepted."""
    made = submission(**fields)
    await jobs.submit(made)
    return made.job_id


async def claimed(jobs: JobStore, worker: str = "w", *, lease_ms: int = 60_000) -> Run:
    """The next run, which must be there."""
    claims = await jobs.claim(worker, ["default"], 1, lease_ms=lease_ms, kinds=["k"])
    (run,) = claims.runs
    return run


async def running(jobs: JobStore, **fields: Any) -> Run:
    """A job accepted and claimed."""
    job_id = await accepted(jobs, **fields)
    run = await claimed(jobs)
    assert run.job_id == job_id
    return run


def log(line: str) -> Change:
    return Change("log", json_text({"level": "info", "line": line}))


def progress(percent: float) -> Change:
    return Change("progress", json_text({"percent": percent}))


def completed(result: Any = None) -> Change:
    return Change("completed", json_text({"result": result}))


def failed(code: str = "handler_error") -> Change:
    return Change("failed", json_text({"error": {"code": code, "message": "no"}}))


def retry(delay_ms: int = 0) -> Change:
    return Change("pending", '{"reason":"retry","retry_at":"@"}', str(delay_ms))


def waiting(delay_ms: int) -> Change:
    return Change("waiting", '{"for":"callback","deadline":"@"}', str(delay_ms))


INTERRUPTED = Change("pending", '{"reason":"interrupted"}', "interrupted")
