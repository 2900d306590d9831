"""A web process that can be stopped and started again, and a worker; and what tests ask of them."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import httpx

from tests.conftest import eventually
from tests.faults.house import free_port

ROOT: Final = Path(__file__).parents[2]


class Service:
    """It asks who is there; `key` is good for all. Pages of `origin` may use it."""

    def __init__(self, valkey: str, folder: Path, origin: str) -> None:
        port = str(free_port())
        self.url = f"http://127.0.0.1:{port}"
        self._environment = os.environ | {
            "PYTHONPATH": str(ROOT),
            "TIDINGS_REDIS_URL": valkey,
            "TIDINGS_DATA_DIR": str(folder),
            "TIDINGS_PORT": port,
            "TIDINGS_AUTH": "keys",
            "TIDINGS_ALLOWED_ORIGINS": origin,
            "TIDINGS_HANDLERS": "tests.static.kinds",
            "TIDINGS_LOG_LEVEL": "warning",
            "TIDINGS_SHUTDOWN_GRACE_SECONDS": "2",
        }
        self.key = self.new_key("shop")
        self._web = self._started("web")
        self._worker = self._started("worker")
        self._wait()

    def new_key(self, name: str, *options: str) -> str:
        command = [sys.executable, "-m", "app.cli", "keys", "create", name, *options]
        made = subprocess.run(command, cwd=ROOT, env=self._environment, check=True, capture_output=True, text=True)
        return made.stdout.split()[-1]

    def stop_web(self) -> None:
        self._web.terminate()
        assert self._web.wait(20) == 0

    def start_web(self) -> None:
        self._web = self._started("web")
        self._wait()

    def close(self) -> None:
        for process in (self._web, self._worker):
            process.terminate()
        assert [process.wait(20) for process in (self._web, self._worker)] == [0, 0]

    def submit(self, kind: str, key: str = "", **params: Any) -> str:
        """The id of a new job."""
        answer = self.ask("POST", "/api/jobs", key, json={"kind": kind, "params": params})
        return str(answer["job_id"])

    def token(self, **wanted: Any) -> dict[str, str]:
        """A browser token."""
        token: dict[str, str] = self.ask("POST", "/api/tokens", json={"scope": "read"} | wanted)
        return token

    def cancel(self, job_id: str) -> None:
        self.ask("POST", f"/api/jobs/{job_id}/cancel")

    def lines(self, job_id: str, key: str = "") -> list[int]:
        """The seqs of what the job logged."""
        log = self.ask("GET", f"/api/jobs/{job_id}/events", key, headers={"Accept": "application/json"})
        return [event["seq"] for event in log["events"] if event["type"] == "log"]

    def ask(self, method: str, path: str, key: str = "", headers: dict[str, str] | None = None, **more: Any) -> Any:
        """What the service answers, as JSON."""
        shown = {"Authorization": f"Bearer {key or self.key}"} | (headers or {})
        answer = httpx.request(method, self.url + path, headers=shown, trust_env=False, **more)
        assert answer.is_success, answer.text
        return answer.json()

    def _started(self, role: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-m", "app.cli", role], cwd=ROOT, env=self._environment)

    def _wait(self) -> None:
        eventually(self._knows_kinds, 40)

    def _knows_kinds(self) -> bool:
        try:
            kinds = self.ask("GET", "/api/kinds")["kinds"]
        except httpx.TransportError:
            return False
        return {"ticks", "hostile"} <= {kind["kind"] for kind in kinds}
