"""Events and ends in words, for bars and lines (`app/display`) and for the command line.

What a handler or a service says is shown as text, never obeyed: `clean` is the last to touch every line.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from pydantic_core import to_json

from app.bar import duration

Json = dict[str, Any]

PENDING: Final = MappingProxyType(
    {
        "retry": "to be tried again",
        "worker_lost": "its worker was lost",
        "interrupted": "its worker was shut down",
        "callback": "called back",
    }
)


def clean(text: str) -> str:
    """Text that stays on its line and cannot steer a terminal, at the same width."""
    return "".join(character if character.isprintable() else " " for character in text)


def told(event: Json) -> str:
    """What an event says beyond its type."""
    return clean(_TOLD.get(event["type"], _json)(event["data"]))


def status_of(job: Json) -> str:
    """Its status, or what is more to the point."""
    if job["status"] == "pending" and job.get("suspended_at"):
        return "suspended"
    if job["status"] == "processing" and job.get("cancel_requested_at"):
        return "cancelling"
    return "waiting" if job["status"] == "processing" and job.get("waiting_for") else str(job["status"])


def percent_of(progress: Json) -> str:
    """`42 %`, or nothing."""
    return f"{int(float(progress['percent'])):3} %" if "percent" in progress else ""


def left(progress: Json) -> str:
    """`ETA 12 s`, or nothing."""
    seconds = progress.get("eta_seconds")
    return f"ETA {duration(seconds)}" if isinstance(seconds, int | float) else ""


def away(seconds: float) -> str:
    """That the service cannot be heard for the moment."""
    return f"no connection, trying again in {seconds:.1f} s"


def ending(job: Json, absolute: Callable[[str], str]) -> Iterator[str]:
    """The lines that tell how a job ended: status, error or result, and where the result is."""
    yield clean(f"{job['status']}{_took(job)}" + (f": {_reason(job['error'])}" if job.get("error") else ""))
    if job.get("result") is not None:
        yield from map(clean, to_json(job["result"], indent=2).decode().split("\n"))
    if job.get("result_url"):
        yield clean(absolute(job["result_url"]))


def batch_standing(batch: Json) -> str:
    """`42 %  3 pending  1 processing  4 completed`, with what there is any of."""
    counts = (f"{count} {status}" for status, count in batch["counts"].items() if count)
    return clean("  ".join([percent_of(batch["progress"]), *counts]))


def _standing(data: Json) -> str:
    return f"{data['status']}  {_progress(data.get('progress') or {})}"


def _progress(data: Json) -> str:
    return "  ".join(filter(None, (percent_of(data), str(data.get("message") or ""), left(data))))


def _pending(data: Json) -> str:
    return PENDING.get(data.get("reason", ""), "")


def _position(data: Json) -> str:
    ahead = data.get("position")
    return "  ".join(filter(None, ("next" if ahead == 0 else f"{ahead} ahead", left(data))))


def _suspended(data: Json) -> str:
    return f"until {data.get('until')}"


def _processing(data: Json) -> str:
    return f"attempt {data.get('attempt')} on {data.get('worker')}"


def _log(data: Json) -> str:
    return f"{data.get('level', 'info')}: {data.get('line', '')}"


def _waiting(data: Json) -> str:
    return f"for a {data.get('for')} until {data.get('deadline')}"


def _cancel_requested(data: Json) -> str:
    return str(data.get("reason") or "")


def _failed(data: Json) -> str:
    return _reason(data.get("error") or {})


def _reason(error: Json) -> str:
    return f"{error.get('message') or 'no message'} ({error.get('code')})"


def _nothing(_: Json) -> str:
    return ""


def _json(data: Json) -> str:
    return to_json(data).decode()


_TOLD: Final[Mapping[str, Callable[[Json], str]]] = MappingProxyType(
    {
        "snapshot": _standing,
        "pending": _pending,
        "position": _position,
        "suspended": _suspended,
        "resumed": _nothing,
        "processing": _processing,
        "progress": _progress,
        "log": _log,
        "waiting": _waiting,
        "cancel_requested": _cancel_requested,
        "completed": _nothing,
        "failed": _failed,
        "cancelled": _nothing,
    }
)
"""What a handler emits itself is told as its JSON."""


def _took(job: Json) -> str:
    if not job.get("started_at") or not job.get("finished_at"):
        return ""
    time = datetime.fromisoformat(job["finished_at"]) - datetime.fromisoformat(job["started_at"])
    return f" in {time.total_seconds():.1f} s"
