"""`@job`: what a handler's author says of it. It only marks the function; `workers/registry.py` finds the marks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, TypeVar

from app.jobs import is_queue_name

Function = TypeVar("Function", bound=Callable[..., Any])

Reconcile: TypeAlias = Callable[..., Any]
"""Of a context, like the handler's; it answers what might have been called back, or None."""

Verify: TypeAlias = Callable[[bytes, Mapping[str, str]], object]
"""Of a callback's body and its headers, whose names are in lower case."""

MARK: Final = "__tidings_job__"
LONGEST_KEPT: Final = 365 * 86_400
SHORTEST_RECONCILE: Final = 0.1


@dataclass(frozen=True, slots=True)
class Definition:
    """`timeout` is seconds for one attempt; `process` runs each in a process of its own, which can be killed.

    `max_running` bounds the runs of the kind at once, over all workers; 0 does not. `result_ttl` is seconds for which
    an ended job and its result are kept where the submission does not say; None leaves that to the settings.
    `memory_bytes` and `cpu_seconds` bound each process of one run, so they need `process`.

    While the handler waits for a callback, `reconcile` is called every `reconcile_seconds`, as the handler is: on the
    loop, in a thread or in a process. What it answers, unless that is None, counts as called back. `verify` says in
    the worker whether a callback comes from whom it should; false, or an exception, drops it, and the wait goes on.
    """

    kind: str
    timeout: float
    max_attempts: int
    process: bool
    queue: str
    max_running: int = 0
    result_ttl: int | None = None
    memory_bytes: int | None = None
    cpu_seconds: int | None = None
    reconcile: Reconcile | None = None
    reconcile_seconds: float = 30
    verify: Verify | None = None

    def __post_init__(self) -> None:
        for name in (self.kind, self.queue):
            if not is_queue_name(name):
                raise ValueError(f"not the name of a kind or a queue: {name!r}")
        if not self.timeout > 0 or self.max_attempts < 1 or self.max_running < 0:
            raise ValueError(f"{self.kind}: timeout and max_attempts are positive, max_running is not negative")
        ceilings = [ceiling for ceiling in (self.memory_bytes, self.cpu_seconds) if ceiling is not None]
        if ceilings and (not self.process or min(ceilings) < 1):
            raise ValueError(f"{self.kind}: memory_bytes and cpu_seconds are positive, and need process=True")
        if self.result_ttl is not None and not 0 < self.result_ttl <= LONGEST_KEPT:
            raise ValueError(f"{self.kind}: result_ttl is whole seconds, from 1 to those of a year")
        if not self.reconcile_seconds >= SHORTEST_RECONCILE:
            raise ValueError(f"{self.kind}: reconcile_seconds is at least {SHORTEST_RECONCILE}")


def job(
    kind: str,
    *,
    timeout: float = 3600,
    max_attempts: int = 3,
    process: bool = False,
    queue: str = "default",
    max_running: int = 0,
    result_ttl: int | None = None,
    memory_bytes: int | None = None,
    cpu_seconds: int | None = None,
    reconcile: Reconcile | None = None,
    reconcile_seconds: float = 30,
    verify: Verify | None = None,
) -> Callable[[Function], Function]:
    """Make a function the handler of a kind. It stays a plain function. Raises ValueError for what cannot be."""
    definition = Definition(
        kind,
        timeout,
        max_attempts,
        process,
        queue,
        max_running,
        result_ttl,
        memory_bytes,
        cpu_seconds,
        reconcile,
        reconcile_seconds,
        verify,
    )

    def mark(function: Function) -> Function:
        setattr(function, MARK, definition)
        return function

    return mark
