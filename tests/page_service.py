"""The service as a browser meets it: a web process that can be stopped and started, and a worker with the kinds of
`page_handlers`. For the tests that open the page.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import redis

from tests.conftest import eventually
from tests.faults.house import free_port

ROOT = Path(__file__).parents[1]
STOP_SECONDS = 20


class PageService:
    """Both processes, by their role."""

    def __init__(self, valkey: str, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._environment = os.environ | {
            "PYTHONPATH": str(ROOT),
            "TIDINGS_REDIS_URL": valkey,
            "TIDINGS_DATA_DIR": str(folder),
            "TIDINGS_PORT": str(self.port),
            "TIDINGS_HANDLERS": "tests.page_handlers",
            "TIDINGS_LOG_LEVEL": "warning",
            "TIDINGS_WEBHOOK_ALLOW_NETWORKS": "127.0.0.0/8",
        }

    def start(self, role: str) -> None:
        command = [sys.executable, "-m", "app.cli", role]
        self._processes[role] = subprocess.Popen(command, cwd=ROOT, env=self._environment)

    def stop(self, role: str) -> int:
        """Its exit code."""
        process = self._processes.pop(role)
        process.terminate()
        return process.wait(STOP_SECONDS)

    def stop_all(self) -> list[int]:
        return [self.stop(role) for role in list(self._processes)]

    def submit(self, kind: str, params: dict[str, Any] | None = None, **more: Any) -> str:
        """The new job's id."""
        body = {"kind": kind, "params": params or {}} | more
        job_id: str = httpx.post(f"{self.url}/api/jobs", json=body).raise_for_status().json()["job_id"]
        return job_id

    def submit_many(self, jobs: list[dict[str, Any]]) -> str:
        """The batch's id."""
        answer = httpx.post(f"{self.url}/api/batches", json={"jobs": jobs}).raise_for_status()
        batch_id: str = answer.json()["batch_id"]
        return batch_id

    def has_ended(self, job_id: str) -> bool:
        status: str = httpx.get(f"{self.url}/api/jobs/{job_id}?").json().get("status", "")
        return status in ("completed", "failed", "cancelled")

    def kinds(self) -> set[str]:
        """Those announced so far; none while it is not up."""
        try:
            return {kind["kind"] for kind in httpx.get(f"{self.url}/api/kinds").json()["kinds"]}
        except (httpx.TransportError, KeyError, ValueError):
            return set()


@contextmanager
def page_service(valkey: str, folder: Path) -> Iterator[PageService]:
    """Up, with all its kinds, on an empty Valkey."""
    with redis.Redis.from_url(valkey) as client:
        client.flushall()
    service = PageService(valkey, folder)
    for role in ("web", "worker"):
        service.start(role)
    try:
        eventually(lambda: service.kinds() >= {"countdown", "transcode", "train", "gallery", "hostile"})
        yield service
    finally:
        assert service.stop_all() == [0, 0]
