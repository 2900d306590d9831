"""How a run ended, as the last entry of its log: one rule per outcome. Pure; called by `workers/run/execution.py`.

A handler that returned has done the work, whatever was asked of it meanwhile. One that raised after it was asked to
stop has stopped, whatever it raised. Any other error, a timeout, and the death of its process takes an attempt: the
job is tried again after 1 s, 2 s, 4 s …, at most 5 minutes, until no attempt is left.
"""

from random import SystemRandom
from typing import Any, Final

from app.events import json_text
from app.jobs import job_url
from app.store import Run
from workers.outcomes import Failed, Retry, Wait
from workers.run.ending import Ending, HandlerRaised, ProcessDied, Raised, Returned, said
from workers.run.entries import Bounds, Entry
from workers.run.stop import Reason

FIRST_BACKOFF_SECONDS: Final = 1.0
LONGEST_BACKOFF_SECONDS: Final = 300.0
MOST_MESSAGE: Final = 2_000
WAITING: Final = '{"for":"callback","deadline":"@"}'

_random = SystemRandom()


def completed(run: Run, result: str, bounds: Bounds, public_url: str) -> Entry:
    """The result is in the event where it fits, and beside it where it does not."""
    url = json_text(f"{job_url(run.job_id, public_url)}/result")
    inline = f'{{"result":{result},"result_url":{url}}}'
    if len(inline.encode()) <= bounds.event_bytes:
        return Entry("completed", inline)
    return Entry("completed", f'{{"result_url":{url}}}', result)


def stopped(run: Run, reason: Reason | None) -> Entry | None:
    """The handler was asked to stop, and has; None if nobody asked."""
    match reason:
        case None:
            return None
        case Reason.CANCELLED:
            return Entry("cancelled", '{"stage":"processing"}')
        case Reason.TIMEOUT:
            seconds = run.timeout_ms / 1000
            return _again(run, None, _error("timeout", f"The attempt took longer than {seconds:g} seconds."))
        case _:
            return Entry("pending", '{"reason":"interrupted"}', "interrupted")


def raised(run: Run, error: BaseException, look_seconds: float = 0) -> Entry:
    """The handler ended itself. If it waits, somebody looks for the answer every so many seconds; with 0, nobody."""
    match error:
        case Wait():
            spans = (error.deadline, error.heartbeat or 0, look_seconds)
            return Entry("waiting", WAITING, " ".join(map(_ms, spans)))
        case Failed():
            return failed(error.code, said(error))
        case Retry():
            return _again(run, error.after, _described(error.__cause__ or error))
        case _:
            return _again(run, None, _described(error))


def looked(run: Run, reason: Reason | None, ending: Ending) -> Entry:
    """A run that looked for the answer of a wait is over: the job goes on with what was found, or goes on waiting."""
    match ending:
        case Returned(result) if result != "null":
            return Entry("pending", "{}", f"answered {result}")
        case Raised() if reason not in {None, Reason.TIMEOUT} and (entry := stopped(run, reason)):
            return entry
        case Raised(Failed() as error):
            return failed(error.code, said(error))
        case _:
            return Entry("waiting", "{}")


def trouble(reason: Reason | None, ending: Ending) -> str | None:
    """What its log is told of a look that went wrong."""
    match ending:
        case Raised() if reason is Reason.TIMEOUT:
            return "Looking for an answer took too long."
        case Raised(error) if reason is None and not isinstance(error, Failed):
            told = _described(error)
            return f"Looking for an answer failed: {told.get('type', told['code'])}: {told['message']}"
        case _:
            return None


def refused() -> Entry:
    """What was called back is no answer: the wait goes on."""
    return Entry("waiting", WAITING, "refused")


def failed(code: str, message: str) -> Entry:
    """For good."""
    return _failed(_error(code, message))


def backoff_seconds(attempt: int) -> float:
    """Before the attempt after this one: doubling, with jitter, so that those who failed together come back apart."""
    ceiling = min(FIRST_BACKOFF_SECONDS * 2.0 ** min(attempt - 1, 16), LONGEST_BACKOFF_SECONDS)
    return ceiling * _random.uniform(0.5, 1.0)


def _again(run: Run, after: float | None, error: dict[str, Any]) -> Entry:
    if run.attempt >= run.max_attempts:
        return _failed(error)
    delay = backoff_seconds(run.attempt) if after is None else after
    return Entry("pending", json_text({"reason": "retry", "retry_at": "@", "error": error}), _ms(delay))


def _failed(error: dict[str, Any]) -> Entry:
    return Entry("failed", json_text({"error": error}))


def _described(error: BaseException) -> dict[str, Any]:
    match error:
        case ProcessDied():
            return _error(error.code, said(error))
        case MemoryError() | HandlerRaised(type="MemoryError"):
            return _error("out_of_memory", said(error) or "The handler ran out of memory.", "MemoryError")
        case HandlerRaised():
            return _error("handler_error", said(error), error.type)
        case _:
            return _error("handler_error", said(error), type(error).__name__)


def _error(code: str, message: str, type: str | None = None) -> dict[str, Any]:
    told = message.encode(errors="replace").decode()[:MOST_MESSAGE]
    return {"code": code, "message": told or (type or code)} | ({"type": type} if type else {})


def _ms(seconds: float) -> str:
    return str(int(seconds * 1000))
