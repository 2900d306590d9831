"""What a handler tells, made ready for the log: bounded, harmless, JSON. Used by `workers/context.py`."""

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, NamedTuple

from pydantic_core import from_json, to_json

from app.jobs import Artifact

LEVELS: Final = ("debug", "info", "warning", "error")

_CONTROLS: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Everything but the tab that moves a cursor, ends a line or is no character at all."""


class Entry(NamedTuple):
    """An event still to be numbered. `data` is a JSON object as text, `argument` what `apply.lua` wants beside it."""

    type: str
    data: str
    argument: str = ""

    @property
    def size(self) -> int:
        """Bytes, near enough."""
        return len(self.data) + len(self.argument)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bytes of JSON, or of the UTF-8 of a line."""

    event_bytes: int
    log_line_bytes: int
    result_bytes: int


def progress(
    bounds: Bounds, percent: float, message: str | None, eta_seconds: float | None, data: Mapping[str, Any] | None
) -> Entry:
    """Percent is brought into 0 to 100. Raises ValueError for NaN, a negative ETA, or too much of the rest."""
    if math.isnan(percent):
        raise ValueError("percent is not a number")
    if eta_seconds is not None and not 0 <= eta_seconds < math.inf:
        raise ValueError(f"not a number of seconds: {eta_seconds!r}")
    told = {"message": message, "eta_seconds": eta_seconds, "data": data}
    fields = {name: value for name, value in told.items() if value is not None}
    return Entry("progress", _data({"percent": round(min(max(percent, 0.0), 100.0), 2)} | fields, bounds))


def storing(latest: Entry | None, name: str, stored: int, total: int) -> Entry | None:
    """Progress that stays where it is while a large file is stored; None where the handler has said that it is done."""
    percent = from_json(latest.data)["percent"] if latest else 0
    told = {"percent": percent, "message": f"storing {name}", "data": {"stored_bytes": stored, "total_bytes": total}}
    return Entry("progress", to_json(told).decode()) if percent < 100 else None


def log(bounds: Bounds, line: str, level: str) -> Entry:
    """A longer line is cut, and says so. Raises ValueError for a level that is none of ours."""
    if level not in LEVELS:
        raise ValueError(f"level {level!r} is none of {', '.join(LEVELS)}")
    harmless = _CONTROLS.sub(_escaped, str(line).rstrip("\r\n"))
    return Entry("log", to_json({"level": level, "line": _cut(harmless, bounds.log_line_bytes)}).decode())


def custom(bounds: Bounds, name: str, data: Mapping[str, Any] | None) -> Entry:
    """An event of the handler's own. Raises ValueError for a reserved or impossible name, and for too much data."""
    from app.events import is_custom_name  # noqa: PLC0415  it brings starlette, slow to import in a process handler

    if not is_custom_name(name):
        raise ValueError(f"no event may be called {name!r}")
    return Entry(name, _data(data or {}, bounds))


def artifact(saved: Artifact, job_url: str) -> Entry:
    """A file was stored."""
    return Entry("artifact", to_json(saved.shown(job_url)).decode(), to_json(asdict(saved)).decode())


def _data(data: Mapping[str, Any], bounds: Bounds) -> str:
    text = to_json(data, inf_nan_mode="strings")
    if not text.startswith(b"{"):
        raise ValueError("the data of an event is a JSON object")
    if len(text) > bounds.event_bytes:
        raise ValueError(f"the data of an event is at most {bounds.event_bytes} bytes of JSON, this is {len(text)}")
    return text.decode()


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()


def _cut(line: str, most: int) -> str:
    encoded = line.encode()
    if len(encoded) <= most:
        return line
    mark = f" … [cut, {len(encoded)} bytes]"
    return encoded[: max(most - len(mark.encode()), 0)].decode(errors="ignore") + mark
