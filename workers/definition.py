"""`@job`: what a handler's author says of it. It only marks the function; `workers/registry.py` finds the marks."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])

MARK: Final = "__tidings_job__"

_KIND: Final = re.compile(r"[a-z][a-z0-9_.-]{0,63}")


@dataclass(frozen=True, slots=True)
class Definition:
    """`timeout` is seconds for one attempt; `process` runs each in a process of its own, which can be killed."""

    kind: str
    timeout: float
    max_attempts: int
    process: bool
    queue: str

    def __post_init__(self) -> None:
        if not _KIND.fullmatch(self.kind):
            raise ValueError(f"not a kind: {self.kind!r}")
        if not self.timeout > 0 or self.max_attempts < 1 or not self.queue:
            raise ValueError(f"{self.kind}: timeout and max_attempts are positive, and a queue has a name")


def job(
    kind: str, *, timeout: float = 3600, max_attempts: int = 3, process: bool = False, queue: str = "default"
) -> Callable[[Function], Function]:
    """Make a function the handler of a kind. It stays a plain function. Raises ValueError for what cannot be."""
    definition = Definition(kind, timeout, max_attempts, process, queue)

    def mark(function: Function) -> Function:
        setattr(function, MARK, definition)
        return function

    return mark
