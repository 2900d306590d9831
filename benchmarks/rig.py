"""Real processes to measure: a throw-away Valkey, one web process, one worker. And what the kernel says of them."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

from app.processes.embedded import Valkey

READY_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Rig:
    """Where the service listens, and the process to watch."""

    port: int
    redis_url: str
    web_pid: int

    def cpu_seconds(self) -> float:
        """Those of the web process so far."""
        return cpu_seconds(self.web_pid)

    def memory_bytes(self) -> int:
        """Private and shared memory of the web process, shared pages divided by who shares them."""
        rollup = Path(f"/proc/{self.web_pid}/smaps_rollup").read_text()
        return next(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:"))


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def rig() -> Iterator[Rig]:
    """Everything started, ready, and stopped again at the end."""
    with tempfile.TemporaryDirectory(prefix="tidings-bench-") as directory:
        folder = Path(directory)
        with Valkey(folder / "valkey", folder / "valkey" / "valkey.sock", persist=False) as valkey:
            port = _free_port()
            env = os.environ | {
                "TIDINGS_REDIS_URL": valkey.url,
                "TIDINGS_DATA_DIR": str(folder / "data"),
                "TIDINGS_PORT": str(port),
                "TIDINGS_HANDLERS": "benchmarks.kinds,benchmarks.heavy",
                "TIDINGS_LOG_LEVEL": "error",
                "TIDINGS_MAX_STREAMS_PER_OWNER": "100000",
            }
            with process("web", env) as web, process("worker", env):
                _until_ready(port)
                yield Rig(port, valkey.url, web.pid)


@contextmanager
def process(command: str, env: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """One `tidings` command, stopped again at the end."""
    process = subprocess.Popen([sys.executable, "-P", "-m", "app.cli", command], env=env)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _until_ready(port: int) -> None:
    """Web answers and a worker has announced its kinds."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        connection = HTTPConnection("127.0.0.1", port, timeout=1)
        try:
            connection.request("GET", "/api/kinds")
            if b"countdown" in connection.getresponse().read():
                return
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.05)
    raise TimeoutError("the service did not get ready")
