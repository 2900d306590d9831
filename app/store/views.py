"""A job and its log as the scripts tell of them, read off their replies by `jobs.py`. The other end of `view.lua`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Self

from pydantic_core import from_json

from app.events import Event
from app.jobs import Artifact, Job, Status
from app.limits import Allowance

TAG_SEPARATOR: Final = "\x1f"


@dataclass(frozen=True, slots=True)
class View:
    """A job and the retained events after the seq asked for, in one moment."""

    job: Job
    events: tuple[Event, ...] = ()


@dataclass(slots=True)  # not frozen, as one is made for each poll (`app/jobs.py`)
class Look:
    """What came of asking how a job stands: `view` is None where that was refused, or nothing is new."""

    allowed: bool
    allowance: Allowance
    poll_ms: int
    seq: int
    ended: bool
    view: View | None

    def later(self, job: Job) -> Self:
        """The same look, had of the job as it stands now."""
        allowance = replace(self.allowance, next_ms=min(self.allowance.next_ms, job.poll_ms))
        return replace(self, allowance=allowance, poll_ms=job.poll_ms, seq=job.seq, ended=job.ended, view=View(job))


def view_of(job_id: str, reply: Sequence[Any]) -> View:
    """The reply of `view`, which is of a job that exists."""
    flat, result, last, progress, artifacts, position, eta, eta_p90, poll_ms, now, entries = reply
    record = {flat[i].decode(): flat[i + 1].decode(errors="replace") for i in range(0, len(flat), 2)}
    end = from_json(last) if last else {}
    job = Job(
        job_id=job_id,
        kind=record["kind"],
        status=Status(record["status"]),
        owner=record["owner"],
        queue=record["queue"],
        seq=int(record["seq"]),
        attempt=int(record["attempt"]),
        max_attempts=int(record["max_attempts"]),
        created_at=int(record["created"]),
        updated_at=int(record["updated"]),
        tags=tuple(filter(None, record.get("tags", "").split(TAG_SEPARATOR))),
        metadata=from_json(record["metadata"]) if "metadata" in record else None,
        priority=int(record.get("priority", 0)),
        batch_id=record.get("batch"),
        started_at=_moment(record.get("started")),
        finished_at=_moment(record.get("finished")),
        expires_at=_moment(record.get("expires")),
        retry_at=_moment(record.get("due")),
        cancel_requested_at=_moment(record.get("cancel")),
        suspended_at=_moment(record.get("suspended")),
        waiting_for=record.get("waiting"),
        trimmed_seq=int(record.get("trimmed", 0)),
        position=position,
        eta_ms=eta,
        eta_p90_ms=eta_p90,
        poll_ms=poll_ms,
        progress=from_json(progress) if progress else None,
        result=from_json(result) if result else end.get("result"),
        error=end.get("error"),
        artifacts=_artifacts(artifacts),
        as_of=now,
    )
    return View(job, tuple(_event(job_id, *entry) for entry in entries))


def _moment(text: str | None) -> int | None:
    return None if text is None else int(text)


def _artifacts(entries: Iterable[bytes]) -> tuple[Artifact, ...]:
    """`<seq> <JSON>` each, in the order they were saved."""
    pairs = sorted((int(seq), text) for seq, _, text in (entry.partition(b" ") for entry in entries))
    return tuple(Artifact(**from_json(text)) for _, text in pairs)


def _event(job_id: str, entry_id: bytes, fields: Sequence[bytes]) -> Event:
    values = dict(zip(fields[::2], fields[1::2], strict=True))
    seq = int(entry_id.partition(b"-")[0])
    return Event(job_id, seq, values[b"t"].decode(), int(values[b"a"]), values[b"d"].decode())
