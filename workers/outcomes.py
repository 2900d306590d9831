"""How a handler may end, other than by returning: raised by it, read by `workers/run/verdict.py`."""

import re
from datetime import timedelta
from typing import Final, TypeAlias

Seconds: TypeAlias = float | timedelta

LONGEST: Final = timedelta(days=365)

_CODE: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")


class Retry(Exception):
    """Run the job again after so many seconds; without a number, after the usual back-off. It takes an attempt.

    `raise Retry(60) from error` keeps the error: it is what the job fails with when no attempt is left.
    """

    def __init__(self, after: Seconds | None = None, message: str = "The handler asked for another attempt.") -> None:
        super().__init__(message)
        self.after = None if after is None else as_seconds(after)


class Wait(Exception):
    """Give up the slot until an outside system calls back, at most so many seconds; then the handler runs anew.

    With `heartbeat` it has to be heard of that often meanwhile: a heartbeat, or progress. Either clock that runs out
    fails the job with `callback_timeout`.
    """

    def __init__(self, deadline: Seconds, heartbeat: Seconds | None = None) -> None:
        super().__init__("The handler waits for a callback.")
        self.deadline = as_seconds(deadline)
        self.heartbeat = None if heartbeat is None else as_seconds(heartbeat)


class Failed(Exception):
    """The job has failed for good: no attempt would end otherwise. `code` is a stable word for programs."""

    def __init__(self, message: str, code: str = "handler_error") -> None:
        if not _CODE.fullmatch(code):
            raise ValueError(f"not a code: {code!r}")
        super().__init__(message)
        self.code = code


class Cancelled(BaseException):
    """The handler is to stop: cancelled, out of time, or its worker ends. Clean up, and let it through.

    Not an Exception, so that `except Exception` in a handler does not swallow it.
    """


class EventBufferFull(RuntimeError):
    """More logs and events than Redis takes: an `async def` handler awaits `ctx.flush()` now and then."""


def as_seconds(duration: Seconds) -> float:
    """Raises ValueError for what is no length of time up to a year: negative, longer or not a number."""
    seconds = duration.total_seconds() if isinstance(duration, timedelta) else duration
    if not 0 <= seconds <= LONGEST.total_seconds():
        raise ValueError(f"not a number of seconds from 0 to a year: {duration!r}")
    return float(seconds)
