"""The service as an operator has it: web processes, workers and a Valkey, to be started, killed, stopped and continued.

Every process is a real one, started by the real command; nothing of them runs in the test.
"""

import asyncio
import json
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self

import httpx
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError as ConnectionLost

from app.events import Event
from app.jobs import Job
from app.processes.child import Child
from app.processes.embedded import Valkey
from app.processes.supervisor import COMMAND
from app.store import JobStore

ROOT: Final = Path(__file__).parents[2]
KINDS: Final = "tests.faults.kinds"
HURRIED: Final = (sys.executable, "-P", "-m", "tests.faults.hurried")
LEASE_SECONDS: Final = 2.0
PORTS: Final = (10_000, 32_768)
LISTENING: Final = "0A"
"""As the kernel writes that state in its tables of sockets."""


async def until(condition: Callable[[], Awaitable[object]], seconds: float = 60) -> float:
    """Wait until the condition holds, and say how long that took; the deadline only ends a test that has failed."""
    began = time.monotonic()
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.02)
    return time.monotonic() - began


async def until_all(conditions: Callable[[], Iterable[object]], seconds: float = 60) -> float:
    """The same for several that need nothing to be awaited."""

    async def hold() -> bool:
        return all(conditions())

    return await until(hold, seconds)


class Process(Child):
    """One `tidings` command with its log in a file."""

    def __init__(self, command: Sequence[str], env: dict[str, str], log: Path) -> None:
        super().__init__(*command, env=env)
        self._log = log

    def start(self) -> None:
        with self._log.open("ab") as output:
            self._launch(output)

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    def send(self, number: signal.Signals) -> None:
        """A signal to the process alone, not to what it has started."""
        os.kill(self.pid, number)

    async def ended(self, seconds: float = 30) -> int:
        """Its exit code, once it has ended by itself."""

        async def over() -> bool:
            return not self.alive

        await until(over, seconds)
        assert self.exit_code is not None
        return self.exit_code

    def lines(self) -> list[dict[str, Any]]:
        """What it has logged, line by line; what is no JSON is left out."""
        found = []
        for line in self._log.read_text(errors="replace").splitlines():
            with suppress(ValueError):
                found.append(json.loads(line))
        return found

    async def logged(self, action: str, seconds: float = 30) -> dict[str, Any]:
        """The first line of that action, once there is one."""

        async def there() -> bool:
            assert self.alive or self._said(action), f"it ended with code {self.exit_code}: {self._log.read_text()}"
            return bool(self._said(action))

        await until(there, seconds)
        return self._said(action)[0]

    def _said(self, action: str) -> list[dict[str, Any]]:
        return [line for line in self.lines() if line.get("action") == action]

    # What the kernel says of it

    @property
    def resident_bytes(self) -> int:
        """Its memory now."""
        return self._status("VmRSS") * 1024

    @property
    def most_resident_bytes(self) -> int:
        """Its memory when it was largest."""
        return self._status("VmHWM") * 1024

    @property
    def threads(self) -> int:
        return self._status("Threads")

    @property
    def descriptors(self) -> int:
        """Open files and sockets."""
        return len(list(self._opened()))

    @property
    def connections(self) -> int:
        """Open TCP connections, also dying ones; what it listens with is none, and Valkey is not reached by TCP."""
        table = [line.split() for line in Path(f"/proc/{self.pid}/net/tcp").read_text().splitlines()[1:]]
        tcp = {f"socket:[{inode}]" for _, _, _, state, *_, inode in (line[:10] for line in table) if state != LISTENING}
        return sum(target in tcp for target in self._opened())

    @property
    def children(self) -> list[int]:
        """Processes it has started and not reaped."""
        tasks = Path(f"/proc/{self.pid}/task").iterdir()
        return [int(pid) for task in tasks for pid in (task / "children").read_text().split()]

    def _opened(self) -> Iterator[str]:
        """What each descriptor stands for."""
        for descriptor in Path(f"/proc/{self.pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # it has just been closed
                yield os.readlink(descriptor)

    def _status(self, field: str) -> int:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1])
        raise KeyError(field)


class Web(Process):
    """A web process, and a client of it."""

    def __init__(self, port: int, command: Sequence[str], env: dict[str, str], log: Path) -> None:
        super().__init__(command, env | {"TIDINGS_PORT": str(port)}, log)
        self.port = port
        self.api = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False)

    async def ready(self) -> None:
        """Once it and its store answer."""

        async def answers() -> bool:
            assert self.alive, self._log.read_text()
            try:
                return (await self.api.get("/readyz")).status_code == 200
            except httpx.TransportError:
                return False

        await until(answers)

    async def submit(self, kind: str, *, request: dict[str, Any] | None = None, **params: Any) -> str:
        """The id of a job it has accepted."""
        answer = await self.api.post("/api/jobs", json={"kind": kind, "params": params} | (request or {}))
        assert answer.status_code == 202, answer.text
        job_id: str = answer.json()["job_id"]
        return job_id

    async def cancel(self, job_id: str) -> httpx.Response:
        """The answer to a cancel."""
        return await self.api.post(f"/api/jobs/{job_id}/cancel")


class House:
    """One Valkey, any number of the others; all of it ends with the block.

    Settings are those of `app/settings`, by name; what is given to one process overrides what all have. `hurry` has
    constants of modules, by their full names, and what they are to be in every process.
    """

    def __init__(self, folder: Path, *, hurry: Mapping[str, float] | None = None, **settings: Any) -> None:
        self._folder = folder
        self._hurry = [f"{name}={value}" for name, value in (hurry or {}).items()]
        usual = {"lease_seconds": LEASE_SECONDS, "handlers": KINDS, "shutdown_grace_seconds": 3}
        self._settings = usual | {"handler_variables": "SKEW_SECONDS"} | settings
        self._processes: list[Process] = []
        self.valkey = Valkey(folder / "valkey", folder / "valkey.sock")
        self.data_dir = folder / "data"

    async def __aenter__(self) -> Self:
        self.valkey.start()
        retry: Any = Retry(ConstantBackoff(0.1), 100)
        self.redis: Redis = Redis.from_url(self.valkey.url, retry=retry, retry_on_error=[OSError, ConnectionLost])
        self.jobs = JobStore(self.redis)
        return self

    async def __aexit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
            process.stop()
            if isinstance(process, Web):
                await process.api.aclose()
        await self.redis.aclose(close_connection_pool=True)
        self.valkey.stop()

    async def web(self, *, prefix: tuple[str, ...] = (), reachable: bool = True, **settings: Any) -> Web:
        """A web process that answers, unless it is not reachable from here."""
        web = Web(free_port(), (*prefix, *self._command("web")), self._env(settings), self._log("web"))
        self._begin(web)
        if reachable:
            await web.ready()
        return web

    async def worker(self, *, prefix: tuple[str, ...] = (), **settings: Any) -> Process:
        """A worker that has announced its kinds and takes jobs."""
        worker = Process((*prefix, *self._command("worker")), self._env(settings), self._log("worker"))
        self._begin(worker)
        await worker.logged("worker.started")
        await until(self._kinds_known)
        return worker

    async def job(self, job_id: str) -> Job:
        """As the store has it."""
        view = await self.jobs.read(job_id)
        assert view
        return view.job

    async def log(self, job_id: str) -> tuple[Event, ...]:
        """The retained events."""
        view = await self.jobs.read(job_id, after=0)
        assert view
        return view.events

    async def reached(self, job_id: str, *statuses: str, seconds: float = 60) -> Job:
        """The job, once it stands there; ended otherwise, it fails the test."""

        async def there() -> bool:
            job = await self.job(job_id)
            assert job.status in statuses or not job.ended, (job, await self.log(job_id))
            return job.status in statuses

        await until(there, seconds)
        return await self.job(job_id)

    async def ended(self, *job_ids: str, seconds: float = 60) -> list[Job]:
        """The jobs, once all have ended, however."""

        async def over() -> bool:
            return all([(await self.job(job_id)).ended for job_id in job_ids])

        await until(over, seconds)
        return [await self.job(job_id) for job_id in job_ids]

    async def _kinds_known(self) -> bool:
        return bool(await self.redis.exists("tidings:kinds"))

    def _begin(self, process: Process) -> None:
        self._processes.append(process)
        process.start()

    def _command(self, name: str) -> tuple[str, ...]:
        return (*HURRIED, *self._hurry, name) if self._hurry else (*COMMAND, name)

    def _env(self, settings: dict[str, Any]) -> dict[str, str]:
        ordinary = {"redis_url": self.valkey.url, "data_dir": self.data_dir, "spare_process_seconds": 0}
        chosen = ordinary | self._settings | settings
        ours = {f"TIDINGS_{name.upper()}": str(value) for name, value in chosen.items()}
        return os.environ | {"PYTHONPATH": str(ROOT)} | ours

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}-{len(self._processes)}.log"


def free_port() -> int:
    """One that nobody listens on just now, below those that the kernel lends to whoever connects."""
    while True:
        port = random.randrange(*PORTS)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
