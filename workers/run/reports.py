"""How a handler ended, or why an operation failed, as JSON: what an exception is between a worker and its child."""

import builtins
import traceback
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from workers.outcomes import Cancelled, Failed, Retry, Wait
from workers.run.ending import Ending, HandlerRaised, Raised, Returned, said

MOST_TRACE: Final = 16_000
"""Characters."""


def of_result(result: str) -> dict[str, Any]:
    """The handler returned; its result is JSON text."""
    return {"as": "returned", "result": result}


def of_error(error: BaseException) -> dict[str, Any]:
    """The handler, or an operation, raised."""
    match error:
        case Retry():
            cause = of_error(error.__cause__) if error.__cause__ else None
            return {"as": "retry", "after": error.after, "message": _text(said(error)), "cause": cause}
        case Wait():
            return {"as": "wait", "deadline": error.deadline, "heartbeat": error.heartbeat}
        case Failed():
            return {"as": "failed", "message": _text(said(error)), "code": error.code}
        case Cancelled():
            return {"as": "cancelled"}
        case _:
            return {"as": "error", "type": _type(error), "message": _text(said(error)), "trace": trace(error)}


def ending(report: Mapping[str, Any]) -> Ending:
    """What the child told. Raises ValueError for a report that is none."""
    return Returned(report["result"]) if report.get("as") == "returned" else Raised(error(report))


def error(report: Mapping[str, Any]) -> BaseException:
    """The exception a report is of; one that is not of the vocabulary becomes a HandlerRaised."""
    match report:
        case {"as": "retry", "after": after, "message": message, "cause": cause}:
            retry = Retry(after, message)
            retry.__cause__ = error(cause) if cause else None
            return retry
        case {"as": "wait", "deadline": deadline, "heartbeat": heartbeat}:
            return Wait(deadline, heartbeat)
        case {"as": "failed", "message": message, "code": code}:
            return Failed(message, code)
        case {"as": "cancelled"}:
            return Cancelled()
        case {"as": "error", "type": name, "message": message, "trace": told}:
            return HandlerRaised(name, message, told)
        case _:
            raise ValueError("not a report")


def trace(error: BaseException) -> str:
    """Where it came from, for the worker's log; of a long one the end."""
    if isinstance(error, HandlerRaised):
        return error.trace
    return _text("".join(traceback.format_exception(error)))[-MOST_TRACE:]


def as_builtin(error: BaseException) -> BaseException:
    """On the other side: a ValueError is one there too. What is not built in, or not made of words, is told of."""
    if not isinstance(error, HandlerRaised):
        return error
    known = getattr(builtins, error.type, None)
    if isinstance(known, type) and issubclass(known, Exception):
        with suppress(TypeError):
            return known(str(error))
    return RuntimeError(f"{error.type}: {error}")


def _type(error: BaseException) -> str:
    """Libraries have a MemoryError of their own, of which the verdict does not know."""
    return "MemoryError" if isinstance(error, MemoryError) else type(error).__name__


def _text(text: str) -> str:
    return text.encode(errors="replace").decode()
