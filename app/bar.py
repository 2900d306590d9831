"""A job on one line of text, for people at a terminal. Drawn for `GET /api/jobs/{id}` and for the stream of bars.

transcode  [████████░░░░░░░░░░░░]  42 %  encoding  eta 12 s
"""

from collections.abc import Iterator
from typing import Final

from app.jobs import Job, Status

CELLS: Final = 20
LONGEST_TEXT: Final = 60


def bar(job: Job) -> str:
    """The line, without its end. Nothing in it can steer a terminal, whatever a handler says."""
    return "  ".join(_parts(job))


def _parts(job: Job) -> Iterator[str]:
    progress = job.progress or {}
    percent = 100 if job.status is Status.COMPLETED else int(min(max(progress.get("percent") or 0, 0), 100))
    full = percent * CELLS // 100
    yield printable(job.kind)
    yield f"[{'█' * full}{'░' * (CELLS - full)}] {percent:3} %"
    yield printable(_standing(job))
    if job.status is Status.PROCESSING and job.eta_seconds is not None:
        yield f"eta {duration(job.eta_seconds)}"


def _standing(job: Job) -> str:
    """How it stands in words; the handler's own while it runs."""
    if job.status is Status.FAILED and job.error:
        return f"failed: {job.error.get('message') or job.error.get('code')}"
    if job.suspended_at:
        return "suspended"
    if job.status is Status.PENDING and job.position is not None:
        return f"pending, {job.position} ahead"
    if job.cancel_requested_at and not job.ended:
        return "stopping"
    if job.waiting_for:
        return f"waiting for {job.waiting_for}"
    message = (job.progress or {}).get("message") if job.status is Status.PROCESSING else None
    return str(message or job.status)


def printable(text: str) -> str:
    """Text that stays on its line: no control, direction or line characters, and cut where it is long."""
    clean = "".join(character if character.isprintable() else " " for character in text[: LONGEST_TEXT + 1])
    return clean if len(clean) <= LONGEST_TEXT else f"{clean[: LONGEST_TEXT - 1]}…"


def duration(seconds: float) -> str:
    """`12 s`, `3 min 05 s`, `2 h 05 min`."""
    minutes, rest = divmod(max(round(seconds), 0), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
