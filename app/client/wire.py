"""What the client's operations are written against: a wire that asks, reads and waits. Each face brings one of its own.

All of it is awaited. A wire that blocks is done whenever it answers, so what is written here for an event loop needs
none there (`faces.py`).
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, TypeVar

T = TypeVar("T")
Json: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """What is asked. The service may hold its answer back for `held_seconds`, on top of what any takes."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    held_seconds: float = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """What was answered. Names of headers are compared without regard to case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def retry_after(self) -> int:
        """Seconds; 0 where it does not say, or says it as a date."""
        text = self.headers.get("Retry-After", "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


Read: TypeAlias = Callable[[], Awaitable[bytes]]
"""The next bytes of an answer; none at its end."""


class Wire(Protocol):
    """The way to one service. Where that cannot be gone, Unreachable is raised."""

    url: str

    async def call(self, call: Call) -> Reply:
        """Ask, and have the answer whole."""

    def opened(self, call: Call) -> AbstractAsyncContextManager[tuple[Reply, Read]]:
        """Ask, go where it leads, and read what comes of a success bit by bit; anything else is in the reply."""

    async def pause(self, seconds: float) -> None:
        """Wait."""

    async def do(self, work: Callable[[], T]) -> T:
        """Do what may block, as to read a file."""
