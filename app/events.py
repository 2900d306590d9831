"""One event of a job's log, and its one form on every transport. Used by the store, the hub and every reader.

The store keeps an event's parts; the JSON text is made here, once per event and process, and shared by all who are
told (`Event.line`, `Event.sse`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Final

from pydantic_core import from_json, to_json
from sse_starlette.event import ServerSentEvent

from app.clock import rfc3339
from app.jobs import TERMINAL, Status

CONFLATED: Final = frozenset({"progress", "position"})
"""Types of which the latest replaces the one before, in the log and for who is slow."""

KEPT: Final = frozenset({*Status, "waiting", "cancel_requested"}) | CONFLATED
"""Types that are trimmed from a log only where nothing else is left in it."""

OURS: Final = KEPT | {"suspended", "resumed", "artifact", "log"}
"""All that a job's log can have beside what its handler emits."""

RESERVED: Final = OURS | {"snapshot", "retry", "message", "error", "open"}
"""Names a handler may not emit: ours, and those an EventSource fires by itself."""

CUSTOM_NAME: Final = "^[a-z][a-z0-9_.]{0,63}$"
"""Of the names a handler may emit."""

_NAME = re.compile(CUSTOM_NAME)

_LINE_ENDS: Final = re.compile("[\x85\u2028\u2029]")
"""They end a line for neither SSE nor JSON, but for many a client's reader of lines: none of them leaves as it is."""


def is_custom_name(name: str) -> bool:
    """Whether a handler may emit an event of this name."""
    return _NAME.fullmatch(name) is not None and name not in RESERVED


def json_bytes(value: Any) -> bytes:
    """Compact JSON on one line; NaN and infinities become strings. Raises ValueError for what JSON cannot say."""
    return to_json(value, inf_nan_mode="strings")


def json_text(value: Any) -> str:
    """The same as text."""
    return json_bytes(value).decode()


@dataclass(frozen=True)
class Event:
    """`seq` counts from 1 within a job; `at` is milliseconds since 1970; `data` is a JSON object as text."""

    job_id: str
    seq: int
    type: str
    at: int
    data: str
    reset: bool = False
    subject: ClassVar[str] = "job_id"

    @cached_property
    def line(self) -> str:
        """The event object as one line of JSON, alike on SSE, WebSocket and in the JSON log."""
        reset = ',"reset":true' if self.reset else ""
        data = self.data if self.data.isascii() else _LINE_ENDS.sub(_escaped, self.data)
        return (
            f'{{"{self.subject}":"{self.job_id}","seq":{self.seq},"type":"{self.type}","at":"{rfc3339(self.at)}",'
            f'"data":{data}{reset}}}'
        )

    @cached_property
    def sse(self) -> bytes:
        """The SSE block, with `id:` and `event:` (WHATWG HTML 9.2.5)."""
        return ServerSentEvent(self.line, event=self.type, id=str(self.seq), sep="\n").encode()

    @property
    def ends(self) -> bool:
        """Whether nothing follows this event."""
        return self.type in TERMINAL

    @property
    def conflatable(self) -> bool:
        """Whether a later one of the same job replaces it."""
        return self.type in CONFLATED

    def parsed(self) -> dict[str, Any]:
        """`data` as an object."""
        data: dict[str, Any] = from_json(self.data)
        return data


def _escaped(found: re.Match[str]) -> str:
    """As JSON has it within a string, where alone such a character can be."""
    return f"\\u{ord(found[0]):04x}"


def snapshot(job_id: str, seq: int, at: int, job_object: Mapping[str, Any], *, reset: bool = False) -> Event:
    """Where a job stands, for who has no earlier event to go on from."""
    return Event(job_id, seq, "snapshot", at, json_text(job_object), reset)
