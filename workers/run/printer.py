"""What a handler prints, on the way of what it logs, so that both stay in order. Used by `workers/run/child.py`.

What does not go through `sys.stdout` or `sys.stderr` (a library's own, a program's) reaches the worker by a pipe.
"""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol, TextIO

MOST_CHARACTERS: Final = 64 << 10
"""In one message."""


class Line(Protocol):
    """Where it goes."""

    @property
    def speaking(self) -> bool:
        """Whether this very thread is in the middle of a message: a signal handler prints."""

    def print(self, text: str, level: str) -> None:
        """Some text; a line's end may be anywhere in it."""


class Printer(io.TextIOBase):
    """In the place of a standard stream; the pipe behind that is used where the line cannot be."""

    def __init__(self, line: Line, level: str, stream: TextIO) -> None:
        self._line: Line | None = line
        self._level = level
        self._stream = stream
        os.register_at_fork(after_in_child=self.leave)  # two processes cannot speak on one line

    def leave(self) -> None:
        """From now on it goes through the pipe."""
        self._line = None

    def write(self, text: str, /) -> int:
        if self._line is None or self._line.speaking:
            return self._stream.write(text)
        harmless = text.encode(errors="backslashreplace").decode()
        for start in range(0, len(harmless), MOST_CHARACTERS):
            self._line.print(harmless[start : start + MOST_CHARACTERS], self._level)
        return len(text)

    def writable(self) -> bool:
        return True

    def flush(self) -> None:
        self._stream.flush()

    def fileno(self) -> int:
        return self._stream.fileno()

    @property
    def buffer(self) -> io.BufferedIOBase:
        """For bytes."""
        return self._stream.buffer  # type: ignore[return-value]  # typeshed's BinaryIO is no class of io

    @property
    def encoding(self) -> str:  # type: ignore[override]  # a plain attribute there
        return self._stream.encoding


@contextmanager
def printing(line: Line) -> Iterator[None]:
    """Until this ends, what is printed goes there: info from stdout, warning from stderr."""
    before = sys.stdout, sys.stderr
    printers = Printer(line, "info", sys.stdout), Printer(line, "warning", sys.stderr)
    sys.stdout, sys.stderr = printers
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
        for printer in printers:
            printer.leave()
