"""Imported by Python itself as a web process or worker of the stress run starts: it tells of its inside when asked.

SIGUSR2 has it write how many asyncio tasks there are, and of what; SIGUSR1, which needs no living loop, where each of
its threads is. Both go into files that are named after the process, below the folder in `STRESS_PROBE`.
"""

import asyncio
import faulthandler
import gc
import json
import os
import signal
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any


def tell(*_: Any) -> None:
    """An error here would be thrown into whatever runs."""
    with suppress(Exception):
        report = {"tasks": dict(sorted(Counter(map(name, living())).items()))}
        target = Path(os.environ["STRESS_PROBE"]) / f"{os.getpid()}.json"
        target.with_suffix(".part").write_text(json.dumps(report))
        target.with_suffix(".part").replace(target)


def living() -> list["asyncio.Task[Any]"]:
    return [task for task in gc.get_objects() if isinstance(task, asyncio.Task) and not task.done()]


def name(task: "asyncio.Task[Any]") -> str:
    return getattr(task.get_coro(), "__qualname__", "?")


if "STRESS_PROBE" in os.environ:
    signal.signal(signal.SIGUSR2, tell)
    stacks = (Path(os.environ["STRESS_PROBE"]) / f"{os.getpid()}.stacks").open("w")
    faulthandler.register(signal.SIGUSR1, stacks)
