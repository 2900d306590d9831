"""What a handler's own process may use at most. Set in it by `workers/run/child.py`, before the handler is imported."""

import resource
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

MEMORY: Final = resource.RLIMIT_DATA if sys.platform == "linux" else resource.RLIMIT_AS
"""Linux counts there what a process can write to and shares with nobody. Address space as such costs nothing, and
libraries like to reserve a lot of it."""

KILL_SECONDS: Final = 2
"""Of CPU, from SIGXCPU to SIGKILL."""

SCORE: Final = Path("/proc/self/oom_score_adj")
FIRST_TO_GO: Final = "500"
"""Of at most 1000. When the machine runs out of memory the handler is to be killed, not its worker."""


def impose(memory_bytes: int | None, cpu_seconds: int | None) -> None:
    """On this process, and on each that it starts, by itself. A crash leaves no image of what was in memory."""
    _lower(resource.RLIMIT_CORE, 0, 0)
    with suppress(OSError):  # only Linux has it, and there it may be higher already
        SCORE.write_text(FIRST_TO_GO)
    if memory_bytes is not None:
        _lower(MEMORY, memory_bytes)
    if cpu_seconds is not None:
        _lower(resource.RLIMIT_CPU, cpu_seconds, cpu_seconds + KILL_SECONDS)


def lift_memory() -> None:
    """As it was: a handler that has run out of memory still has to say so."""
    _, most = resource.getrlimit(MEMORY)
    resource.setrlimit(MEMORY, (most, most))


def _lower(which: int, limit: int, most: int = resource.RLIM_INFINITY) -> None:
    """No higher than it already is."""
    _, hard = resource.getrlimit(which)
    ceilings = [ceiling for ceiling in (hard, most) if ceiling != resource.RLIM_INFINITY]
    resource.setrlimit(which, (min([limit, *ceilings]), min(ceilings, default=resource.RLIM_INFINITY)))
