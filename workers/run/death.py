"""Why a handler's own process has ended without a word, as far as can be told. Asked by `workers/run/process.py`."""

import signal
from pathlib import Path
from typing import Final

from workers.run.ending import ProcessDied

KERNEL: Final = Path("/proc/vmstat")


def kills_for_memory(kernel: Path = KERNEL) -> int:
    """How often the kernel has killed something because memory ran out; 0 where it does not say."""
    try:
        counts = dict(line.split() for line in kernel.read_text().splitlines())
    except OSError:
        return 0
    return int(counts.get("oom_kill", 0))


def cause(code: int, killed_before: int, killed_now: int) -> ProcessDied:
    """From its exit code, negative for a signal, and what `kills_for_memory` said before and after."""
    match -code:
        case signal.SIGXCPU:
            return ProcessDied("The handler's process used more CPU time than its kind may.", "cpu_limit")
        case signal.SIGKILL if killed_now > killed_before:
            return ProcessDied("The machine ran out of memory and killed the handler's process.", "out_of_memory")
        case number if number > 0:
            return ProcessDied(f"The handler's process was killed by {_name(number)}.")
        case _:
            return ProcessDied(f"The handler's process ended with code {code}, and without a word.")


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time one
        return f"signal {number}"
