"""When connections end by themselves: those that are old, and those on which nothing has happened for long.

A client that is still there comes back by its id and misses nothing; one that only looks as if it were does not, and
its place is free. Connections are kept by the second in which one has to look at them, so all others cost nothing.
"""

import math
import random
from collections.abc import Iterator
from typing import Final

from app.hub.writer import Writer

JITTER: Final = 0.1
"""So much earlier at most, so that what came at one moment, after a restart, does not go at one."""


class Ages:
    """Seconds a connection may last, and for how many nothing need happen on it: twice as many at most."""

    def __init__(self, longest_seconds: float = math.inf, idle_seconds: float = math.inf) -> None:
        self._longest_seconds = longest_seconds
        self._idle_seconds = idle_seconds
        self._ends_at: dict[Writer, float] = {}
        self._second_of: dict[Writer, int] = {}
        self._in_second: dict[int, dict[Writer, None]] = {}
        self._second = 0

    def begin(self, writer: Writer, now: float) -> None:
        """It is open since `now`, in the loop's seconds, as all times here."""
        if not self._ends_at:
            self._second = int(now)
        self._ends_at[writer] = now + _earlier(self._longest_seconds)
        self._look_later(writer, now)

    def end(self, writer: Writer) -> None:
        """It is over."""
        del self._ends_at[writer]
        if (second := self._second_of.pop(writer, None)) is not None:
            self._in_second[second].pop(writer)
            if not self._in_second[second]:
                del self._in_second[second]

    def ending(self, now: float) -> Iterator[Writer]:
        """Those that are to end, each told once. To be asked every second or so."""
        begun, self._second = self._second, int(now)
        for second in range(begun, self._second):
            for writer in self._in_second.pop(second, ()):
                del self._second_of[writer]
                if now >= self._ends_at[writer] or not writer.stirred:
                    yield writer
                else:
                    self._look_later(writer, now)

    def _look_later(self, writer: Writer, now: float) -> None:
        writer.stirred = False
        due = min(self._ends_at[writer], now + _earlier(self._idle_seconds))
        if due < math.inf:
            self._second_of[writer] = second = max(int(due), self._second)
            self._in_second.setdefault(second, {})[writer] = None


def _earlier(seconds: float) -> float:
    return seconds * random.uniform(1 - JITTER, 1)  # noqa: S311  jitter
