"""A conversation with the service, one step at a time: what `operations.py` is written in, and the faces carry out.

The steps know no socket, no clock and no event loop, so that the blocking face (`client.py`) and the async one
(`asynchronous.py`) share all that has to be decided, and differ only in how they wait.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar

T = TypeVar("T")
Json: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """Ask, and have the answer whole: gives a Reply."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Open:
    """Ask, go where it leads, and have what comes of a success by `Read`, anything else whole: gives a Reply.

    What was open before is closed.
    """

    call: Call


@dataclass(frozen=True, slots=True)
class Read:
    """The next bytes of what is open; none at its end."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Do:
    """Do what may block, as to read a file: gives what that gives."""

    work: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Tell:
    """Hand something on to who listens."""

    told: Json


Step: TypeAlias = Call | Open | Read | Pause | Do | Tell
Steps: TypeAlias = Generator[Step, Any, T]


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


class Conversation(Generic[T]):
    """Steps under way. Each call gives the next step; None when there is none, and then `outcome` is there."""

    outcome: T

    def __init__(self, steps: Steps[T]) -> None:
        self._steps = steps

    def answered(self, answer: Any = None) -> Step | None:
        """The step has been carried out; at the beginning there is none."""
        return self._next(lambda: self._steps.send(answer))

    def failed(self, error: Exception) -> Step | None:
        """The step came to this instead, with which the steps may go on."""
        return self._next(lambda: self._steps.throw(error))

    def close(self) -> None:
        """Nobody listens any more."""
        self._steps.close()

    def _next(self, resume: Callable[[], Step]) -> Step | None:
        try:
            return resume()
        except StopIteration as end:
            self.outcome = end.value
            return None
