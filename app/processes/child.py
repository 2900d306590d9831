"""A process that never outlives us: the bundled Valkey (`embedded.py`), web and worker (`supervisor.py`).

It has a session of its own, so Ctrl-C in the terminal reaches only its parent, who then stops its children in order.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Self

LEASH = (sys.executable, "-I", "-S", str(Path(__file__).with_name("leash.py")))


class Child:
    """One program, started and stopped any number of times.

    It is bound to the very thread that starts it, so that must be one that stays: usually the main thread.
    """

    def __init__(self, *argv: str, env: Mapping[str, str] | None = None, grace_seconds: float = 10) -> None:
        self._argv = argv
        self._env = env
        self._grace_seconds = grace_seconds
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """Negative: the signal that ended it."""
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        self._launch()

    def stop(self) -> None:
        """SIGTERM and, when the grace is over, SIGKILL. Harmless on one that has ended."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(self._grace_seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()

    def kill(self) -> None:
        """SIGKILL, now, to whatever it has started in its session too. Only `stop` waits for the end."""
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):  # it has just ended
                os.killpg(self._process.pid, signal.SIGKILL)

    def _launch(self, output: IO[bytes] | None = None) -> None:
        self._process = subprocess.Popen(
            (*LEASH, str(os.getpid()), *self._argv),
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output and subprocess.STDOUT,
            start_new_session=True,
        )
