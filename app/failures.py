"""Why jobs fail: the codes of a job's `error.code` that are the service's own. A handler may give others (`Failed`).

Given by `workers/run/` and by the scripts in `app/store/lua`. The shape of an error, `docs/errors.md` and
`/docs/errors` are made of this list.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Failure:
    """`when` it comes; `again` tells whether the job is tried again while it has attempts left."""

    code: str
    when: str
    again: bool


FAILURES: Final = (
    Failure("handler_error", "The handler raised; `type` is the name of the exception.", again=True),
    Failure("timeout", "An attempt took longer than `timeout_seconds`.", again=True),
    Failure(
        "out_of_memory",
        "The handler raised MemoryError, as it does at its kind's `memory_bytes`; or the kernel killed its process for "
        "want of memory.",
        again=True,
    ),
    Failure("cpu_limit", "The handler's process used up its kind's `cpu_seconds`.", again=True),
    Failure(
        "process_died",
        "The handler's process crashed, was killed, or left by `os._exit`; the message names signal or code.",
        again=True,
    ),
    Failure("worker_lost", "The worker died or was cut off.", again=True),
    Failure("expired", "No worker was free to start the job in time.", again=False),
    Failure("callback_timeout", "What the job waited for did not call back in time.", again=False),
    Failure("callback_failed", "What the job waited for says so, and gives no code of its own.", again=False),
    Failure("unknown_kind", "No worker knows the kind any more.", again=False),
    Failure("rejected", "The worker cannot run it: the params do not fit its handler, or make no sense.", again=False),
    Failure("unknown_input", "An input is there no more.", again=False),
    Failure("unfit_input", "An input is too large for the worker, or has names that no folder can hold.", again=False),
    Failure("result_too_large", "What the handler returned is more JSON than is kept; see artifacts.", again=False),
)
