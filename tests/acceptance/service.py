"""`tidings up` as a user starts it, and what a client asks of it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from tests.conftest import eventually, is_gone
from tests.faults.house import free_port


class Service:
    """`tidings up` in a directory of its own."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def up(self, **more: str) -> Iterator[None]:
        settings = more | {
            "TIDINGS_PORT": str(self.port),
            "TIDINGS_DATA_DIR": "my data",
            "TIDINGS_LEASE_SECONDS": "1.5",
            "TIDINGS_SHUTDOWN_GRACE_SECONDS": "3",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "up"], cwd=self._folder, env=os.environ | settings
        )
        try:
            eventually(self._ready, 60)
            yield
        finally:
            family = self.family()
            self._process.send_signal(signal.SIGINT)
            code = self._process.wait(60)
        assert code == 0
        eventually(lambda: all(map(is_gone, family)))

    def family(self) -> list[int]:
        """The process and all its descendants."""
        assert self._process
        parents = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):  # it has just ended
                parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        family = [self._process.pid]
        for pid in family:
            family += [child for child, parent in parents.items() if parent == pid]
        return family

    def worker(self) -> int:
        """The worker's process."""
        found: list[int] = []

        def look() -> bool:
            for pid in self.family()[1:]:
                with suppress(OSError):  # it has just ended
                    command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                    if b"worker" in command and b"app.cli" in command:
                        found.append(pid)
            return bool(found)

        eventually(look)
        return found[0]

    def _ready(self) -> bool:
        assert self._process
        assert self._process.poll() is None, "it did not come up"
        try:
            kinds = httpx.get(f"{self.url}/api/kinds", trust_env=False).json()["kinds"]
        except httpx.HTTPError:
            return False
        return len(kinds) >= 2


async def submit(web: httpx.AsyncClient, kind: str, **params: Any) -> dict[str, Any]:
    answer = await web.post("/api/jobs", json={"kind": kind, "params": params})
    assert answer.status_code == 202, answer.text
    job: dict[str, Any] = answer.json()
    assert answer.headers["location"] == job["links"]["self"]
    return job


async def by_polling(web: httpx.AsyncClient, job: dict[str, Any]) -> list[dict[str, Any]]:
    """The states seen, each answered when there was one; 304 where nothing came for a while."""
    states: list[dict[str, Any]] = []
    etag = '"0"'
    while not states or states[-1]["finished_at"] is None:
        answer = await web.get(job["links"]["self"], headers={"If-None-Match": etag, "Prefer": "wait=2"})
        if answer.status_code == 200:
            states.append(answer.json())
            etag = answer.headers["etag"]
            assert etag == f'"{states[-1]["seq"]}"'
        else:
            assert answer.status_code == 304
    return states


async def when(web: httpx.AsyncClient, job: dict[str, Any], member: str, *unwanted: Any) -> None:
    """Until a member of the job object is something else."""
    etag = '"0"'
    while True:
        answer = await web.get(job["links"]["self"], headers={"If-None-Match": etag, "Prefer": "wait=5"})
        if answer.status_code == 200 and answer.json()[member] not in unwanted:
            return
        etag = answer.headers["etag"]
