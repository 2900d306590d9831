"""How a job's SSE stream is followed over many connections: what to ask for, what an answer means, when to come back.

Pure protocol (design, "SSE, exactly"): no socket and no clock, so that `app/client` is only one shell around it.
"""

import random
from collections.abc import Callable
from enum import Enum, auto
from typing import Any, Final

from pydantic_core import from_json

from app.client.eventstream import Parser
from app.jobs import TERMINAL

FIRST_RETRY_MS: Final = 250
"""Until the server has named a time."""

SHORTEST_RETRY_MS: Final = 100
LONGEST_RETRY_MS: Final = 60_000
"""A server's `retry:` is believed within these bounds, and back-off grows up to the longer."""

HEALING: Final = frozenset({429, 502, 503, 504})
"""Statuses that say "not now": of a busy service, or of a proxy while it restarts."""

TRIES_BEFORE_FIRST_ANSWER: Final = 3
TRIES_IN_A_ROW: Final = 10


class NotOurs(ValueError):
    """What answers does not speak as Tidings does."""


class Answer(Enum):
    """What the head of a response says."""

    STREAM = auto()
    OVER = auto()
    NOT_NOW = auto()
    REFUSED = auto()


def answer(status: int, content_type: str) -> Answer:
    """Read the head of a response to a stream request. Raises NotOurs for a success that is no stream."""
    if status in HEALING:
        return Answer.NOT_NOW
    if status == 204:
        return Answer.OVER
    if status != 200:
        return Answer.REFUSED
    if content_type.partition(";")[0].strip().lower() != "text/event-stream":
        raise NotOurs(f"answered {content_type or 'without a content type'} instead of text/event-stream")
    return Answer.STREAM


def ends(event: dict[str, Any]) -> bool:
    """Whether nothing follows this event: it is terminal, or a snapshot of a job that has ended."""
    return event["type"] in TERMINAL or (event["type"] == "snapshot" and event["data"]["status"] in TERMINAL)


class Follower:
    """Where one follower stands, between connections and during one."""

    def __init__(self, after: int | None = None, *, chance: Callable[[], float] = random.random) -> None:
        self.ended = False
        self._chance = chance
        self._seq = after
        self._parser = Parser()
        self._retry_ms = FIRST_RETRY_MS
        self._heard = False
        self._failures = 0

    def connect(self) -> dict[str, str]:
        """Headers to ask for the stream with, from where we stand."""
        self._parser = Parser()
        resume = {} if self._seq is None else {"Last-Event-ID": str(self._seq)}
        return {"Accept": "text/event-stream", "Accept-Encoding": "identity", "Cache-Control": "no-store"} | resume

    def feed(self, chunk: bytes) -> list[dict[str, Any]]:
        """The new events in these bytes; those already had are left out. Raises NotOurs.

        `ended` then tells whether the job has ended as far as we know: what a stopped connection means hangs on it,
        while an open one is read on, since the log of a job that was retried has an end in its middle.
        """
        self._heard, self._failures = True, 0
        try:
            events = [from_json(event.data) for event in self._parser.feed(chunk)]
            fresh = [event for event in events if self._is_new(event)]
        except (ValueError, KeyError, TypeError) as error:
            raise NotOurs(f"sent an event that cannot be read ({error!r})") from error
        if self._parser.retry_ms is not None:
            self._retry_ms = min(max(self._parser.retry_ms, SHORTEST_RETRY_MS), LONGEST_RETRY_MS)
        return fresh

    def lost(self, retry_after: float = 0) -> float | None:
        """The connection ended before the job. Seconds to wait before the next one; None means give up."""
        self._failures += 1
        if self._failures >= (TRIES_IN_A_ROW if self._heard else TRIES_BEFORE_FIRST_ANSWER):
            return None
        wait_ms = min(self._retry_ms << self._failures - 1, LONGEST_RETRY_MS)
        return max(wait_ms * (1 + self._chance() / 2), min(retry_after * 1000, LONGEST_RETRY_MS)) / 1000

    def _is_new(self, event: dict[str, Any]) -> bool:
        seq: int = int(event["seq"])
        if event["type"] != "snapshot" and self._seq is not None and seq <= self._seq:
            return False
        self._seq, self.ended = seq, ends(event)
        return True


class FeedFollower(Follower):
    """The same for the feed of all jobs. It has no end and no seq of its own: each connection begins with snapshots."""

    def _is_new(self, event: dict[str, Any]) -> bool:
        return True
