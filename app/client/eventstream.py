"""Reads the text of an SSE stream as the standard says (WHATWG HTML 9.2.6), for `follow.py`. Knows no socket."""

import re
from codecs import getincrementaldecoder
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

BLOCK_CHARACTERS: Final = 4 << 20
"""Longest unfinished event kept in memory; a snapshot with the largest result stays far below."""

_LINE_END = re.compile(r"\r\n|\r|\n")
_RETRY = re.compile(r"[0-9]{1,15}")


class BlockTooLong(ValueError):
    """The stream goes on and on without finishing an event."""


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One dispatched event, with the last event ID in force at that moment."""

    type: str
    data: str
    last_event_id: str


class Parser:
    """Bytes of one connection in, events out. `retry_ms` is the reconnection time, once the server has named one."""

    def __init__(self, *, limit: int = BLOCK_CHARACTERS) -> None:
        self.retry_ms: int | None = None
        self._limit = limit
        self._decode = getincrementaldecoder("utf-8-sig")("replace").decode
        self._after_cr = False
        self._rest: list[str] = []  # of the line not yet ended
        self._rest_size = 0
        self._id = ""
        self._type = ""
        self._data: list[str] = []
        self._data_size = 0

    def feed(self, chunk: bytes) -> list[StreamEvent]:
        """The events this chunk finishes. Raises BlockTooLong."""
        events = [event for line in self._lines(self._decode(chunk)) if (event := self._line(line))]
        if self._rest_size + self._data_size > self._limit:
            raise BlockTooLong(f"an event longer than {self._limit} characters")
        return events

    def _lines(self, text: str) -> Iterator[str]:
        if not text:
            return
        if self._after_cr:
            text = text.removeprefix("\n")
        self._after_cr = text.endswith("\r")
        first, *others = _LINE_END.split(text)
        self._rest.append(first)
        self._rest_size += len(first)
        if others:
            yield "".join(self._rest)
            yield from others[:-1]
            self._rest, self._rest_size = [others[-1]], len(others[-1])

    def _line(self, line: str) -> StreamEvent | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")  # a comment has the empty name
        self._field(name, value.removeprefix(" "))
        return None

    def _field(self, name: str, value: str) -> None:
        match name:
            case "event":
                self._type = value
            case "data":
                self._data.append(value)
                self._data_size += len(value) + 1
            case "id" if "\0" not in value:
                self._id = value
            case "retry" if _RETRY.fullmatch(value):
                self.retry_ms = int(value)

    def _dispatch(self) -> StreamEvent | None:
        event = StreamEvent(self._type or "message", "\n".join(self._data), self._id) if self._data else None
        self._type, self._data, self._data_size = "", [], 0
        return event
