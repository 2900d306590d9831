"""How a handler ended, before it is judged: made by the hosts, judged in `workers/run/verdict.py`."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Returned:
    """`result` is JSON as text."""

    result: str


@dataclass(frozen=True, slots=True)
class Raised:
    """Whatever it was, BaseExceptions too."""

    error: BaseException


Ending: TypeAlias = Returned | Raised


class ProcessDied(Exception):
    """The handler's own process ended without a word. `code` is process_died, out_of_memory or cpu_limit."""

    def __init__(self, message: str, code: str = "process_died") -> None:
        super().__init__(message)
        self.code = code


class HandlerRaised(Exception):
    """An exception of a handler in a process of its own; `type` is the name of its class."""

    def __init__(self, type: str, message: str, trace: str) -> None:
        super().__init__(message)
        self.type = type
        self.trace = trace


def said(error: BaseException) -> str:
    """What it says; of one that fails even in that, what it is."""
    try:
        return str(error)
    except Exception:
        return type(error).__name__
