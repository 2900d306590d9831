"""What a submission writes, and what it comes to: accepted, or why not. Used by `jobs.py` and `batches.py`."""

from dataclasses import dataclass
from typing import Final

from app.errors import InvalidJob, QueueFull, Refusal, StoreFull, SubmitTooFast
from app.jobs import Job, Submission
from app.limits import Allowance
from app.store.views import TAG_SEPARATOR
from app.webhooks import receiver_of

FULL_RETRY_SECONDS: Final = 15
"""When it is worth trying again where too many jobs are waiting."""


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A submission's answer: the job at its first event, and whether it is that of an earlier call with the same key,
    which is known until then (milliseconds; None without a key)."""

    job: Job
    replayed: bool
    allowance: Allowance
    key_expires_at: int | None = None


def record_fields(s: Submission) -> list[str | int]:
    """The part of a record that the submission decides, names and values in turn."""
    fields: list[str | int] = ["kind", s.kind, "owner", s.owner, "queue", s.queue, "max_attempts", s.max_attempts]
    fields += ["timeout", s.timeout_ms, "ttl", s.result_ttl_ms]
    fields += ["priority", s.priority] if s.priority else []
    fields += ["tags", TAG_SEPARATOR.join(s.tags)] if s.tags else []
    fields += ["metadata", s.metadata] if s.metadata else []
    fields += ["hooks", f",{','.join(s.callback_events)},"] if s.callback_url else []
    return fields


def hook_of(callback_url: str) -> str:
    """Whom the scripts are to tell: the receiver and the URL, or nobody."""
    return f"{receiver_of(callback_url)} {callback_url}" if callback_url else ""


def too_late(place: str = "") -> InvalidJob:
    """Why a job may not wait so long; `place` is a pointer to it, where it is not the whole body."""
    message = "lies too far ahead"
    return InvalidJob(f"run_at: {message}", errors=[{"pointer": f"{place}/run_at", "message": message}])


def not_admitted(verdict: bytes, allowance: Allowance | None = None) -> Refusal:
    """Why there may be no more jobs now."""
    match verdict:
        case b"too_fast" if allowance:
            headers = {"Retry-After": str(allowance.next_seconds)} | allowance.headers
            return SubmitTooFast("This owner, or the key, submits too fast.", headers=headers)
        case b"queue_full":
            detail = "Too many jobs of this owner have not ended yet."
            return QueueFull(detail, headers={"Retry-After": str(FULL_RETRY_SECONDS)})
        case _:
            detail = "Too many jobs have not ended yet."
            return StoreFull(detail, headers={"Retry-After": str(FULL_RETRY_SECONDS)})
