"""What went wrong with the service in words, and the next command to try. For `app/cli/asking.py`."""

from collections.abc import Iterator
from types import MappingProxyType
from typing import Any, Final

from app.client import ClientError, Refused
from app.display.sentences import clean

NEXT: Final = MappingProxyType(
    {
        "unknown_kind": "`tidings kinds` lists what can be asked for.",
        "no_such_kind": "`tidings kinds` lists what can be asked for.",
        "unknown_queue": "`tidings queues` lists them.",
        "unknown_job": "`tidings jobs` lists yours; what has ended is forgotten after its time.",
        "unknown_batch": "`tidings jobs` lists your jobs; what has ended is forgotten after its time.",
        "unknown_delivery": "`tidings deliveries list JOB_ID` numbers them.",
        "unknown_secret": "`tidings webhooks list` shows those there are.",
        "unknown_artifact": "`tidings show JOB_ID` lists what the job has made.",
        "unknown_input": "`key=@path` uploads a file and passes it on.",
        "invalid_params": "`tidings kinds` lists the params of every kind; `key:=value` gives one as JSON.",
        "unauthenticated": "TIDINGS_API_KEY holds the key to show; `tidings keys create NAME` makes one.",
        "forbidden": "`tidings keys list` shows what each key is good for; `--scopes` of `keys create` chooses.",
        "not_retryable": "Only what failed or was cancelled is run again; `tidings show JOB_ID` tells how it stands.",
        "not_suspendable": "Only what is pending is held back; `tidings cancel JOB_ID` stops what runs.",
        "queue_full": "`tidings top` shows what waits; `tidings cancel JOB_ID` makes room.",
    }
)
"""What to try after a refusal, by its code."""


def complaint(error: ClientError) -> Iterator[str]:
    """The lines that tell what went wrong, and what to try."""
    if not isinstance(error, Refused):
        yield clean(f"No answer from {error}")
        yield "Is Tidings running there? `tidings up` starts it; --url or TIDINGS_URL says where it is."
        return
    yield clean(f"Refused: {error}" + (f" ({error.code})" if error.code else ""))
    for field in error.problem.get("errors") or ():
        yield clean(f"  {_field_error(field)}")
    if error.code in NEXT:
        yield NEXT[error.code]
    elif error.retry_after:
        yield f"It asks to be left alone for {error.retry_after} s."


def _field_error(field: Any) -> str:
    if not isinstance(field, dict):
        return str(field)
    return f"{str(field.get('pointer', '')).removeprefix('/params').lstrip('/') or 'params'}: {field.get('message')}"
