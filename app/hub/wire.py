"""The forms in which events leave: SSE blocks, lines of JSON for WebSockets, a bar that redraws itself for `curl -N`.

A wire turns events into one ASGI message. Writers that share a wire share the message, so it is made once.
"""

from collections.abc import Sequence
from dataclasses import replace
from enum import IntEnum
from typing import Any, Final, Protocol, TypeAlias

from sse_starlette.event import ServerSentEvent

from app.bar import bar
from app.events import Event
from app.jobs import STATUSES, Job, Status

Message: TypeAlias = dict[str, Any]
"""An ASGI message."""

LONGEST_ETA_MS: Final = 100 * 365 * 86_400_000
"""As the store has it: a handler may say anything."""


class Close(IntEnum):
    """Why a connection is closed, as WebSocket close codes (RFC 6455 section 7.4; 4xxx are ours)."""

    ENDED = 1000
    COME_BACK = 1001
    RESTARTING = 1012
    BAD_MESSAGE = 4400
    UNAUTHENTICATED = 4401
    FORBIDDEN = 4403
    UNKNOWN_JOB = 4404
    TOO_SLOW = 4408
    TOO_FAST = 4420
    TOO_MANY = 4429

    @property
    def reason(self) -> str:
        """The words that go with the code."""
        return self.name.lower().replace("_", " ")


class Sendable(Protocol):
    """What a client is told: an event, or on a multiplexed WebSocket an answer to one of its frames."""

    @property
    def job_id(self) -> str: ...

    @property
    def line(self) -> str: ...

    @property
    def conflatable(self) -> bool: ...


class Wire(Protocol):
    """One form. `keep_alive` is None where the protocol below pings by itself."""

    def encode(self, events: Sequence[Any]) -> Message: ...

    def keep_alive(self) -> Message | None: ...

    def farewell(self, close: Close, retry_ms: int | None) -> Message: ...


class SseWire:
    """Server-Sent Events. A client that is to come back is told after how many milliseconds."""

    _KEEP_ALIVE: Final = {"type": "http.response.body", "body": ServerSentEvent(comment="", sep="\n").encode()}

    def encode(self, events: Sequence[Event]) -> Message:
        return {"type": "http.response.body", "body": b"".join([event.sse for event in events]), "more_body": True}

    def keep_alive(self) -> Message:
        return self._KEEP_ALIVE | {"more_body": True}

    def farewell(self, close: Close, retry_ms: int | None) -> Message:
        body = b"" if retry_ms is None else ServerSentEvent(retry=retry_ms, sep="\n").encode()
        return {"type": "http.response.body", "body": body, "more_body": False}


class LinesWire:
    """WebSocket text frames of one JSON object per line."""

    def encode(self, events: Sequence[Sendable]) -> Message:
        return {"type": "websocket.send", "text": "\n".join([event.line for event in events])}

    def keep_alive(self) -> None:
        return None

    def farewell(self, close: Close, retry_ms: int | None) -> Message:
        return {"type": "websocket.close", "code": int(close), "reason": close.reason}


class BarWire:
    """One line of text that is drawn over again, with log lines above it. Of one client: it knows what it drew."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._width = 0

    def encode(self, events: Sequence[Event]) -> Message:
        text = "".join(map(self._drawn, events))
        return {"type": "http.response.body", "body": text.encode(), "more_body": True}

    def keep_alive(self) -> Message:
        return {"type": "http.response.body", "body": self._bar().encode(), "more_body": True}

    def farewell(self, close: Close, retry_ms: int | None) -> Message:
        return {"type": "http.response.body", "body": b"\n", "more_body": False}

    def _drawn(self, event: Event) -> str:
        if event.type == "log":
            line = str(event.parsed().get("line", ""))
            printable = "".join(c if c.isprintable() else " " for c in line)
            return f"\r{printable:<{self._width}}\n{self._bar()}"
        self._job = _after(self._job, event)
        return self._bar()

    def _bar(self) -> str:
        text = bar(self._job)
        padded = f"\r{text:<{self._width}}"
        self._width = len(text)
        return padded


def _after(job: Job, event: Event) -> Job:
    if event.type == "progress":
        progress = event.parsed()
        left = progress.get("eta_seconds")
        return replace(job, progress=progress, eta_ms=None if left is None else int(min(left * 1000, LONGEST_ETA_MS)))
    if event.type == "position":
        return replace(job, position=event.parsed().get("position"))
    if event.type in STATUSES:
        return replace(job, status=Status(event.type), error=event.parsed().get("error"), position=None)
    return job


SSE: Final = SseWire()
LINES: Final = LinesWire()
