"""What is counted before and after a stress run, when all is quiet: processes, connections, tasks, channels, keys."""

import asyncio
import json
import os
import signal
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from redis.asyncio import Redis

from tests.faults.house import LISTENING, Process, until
from tests.stress.fleet import Fleet

ANSWER_SECONDS: Final = 20.0
LASTING: Final = (
    "tidings:kinds",
    "tidings:identity",
    "tidings:secret",
    "tidings:rounds",
    "tidings:watch",
    "tidings:reached",
    "tidings:pace:",
    "tidings:workers",
)
"""How keys begin that stay: what workers have announced, how long it takes, which store this is, how the watch over
deadlines goes on, whose turn it was, and who works."""


@dataclass(frozen=True, slots=True)
class Count:
    """Of one process. `descriptors` by sort: file, listening, tcp, unix, other; `tasks` by their coroutine's name."""

    role: str
    threads: int
    children: int
    descriptors: Mapping[str, int]
    tasks: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Census:
    """`channels` are those somebody is subscribed to, `listeners` the connections that are, `strays` processes of ours
    that nobody owns any more."""

    processes: Mapping[str, Count]
    listeners: int
    channels: tuple[str, ...]
    strays: tuple[str, ...]


async def take(fleet: Fleet) -> Census:
    """As things are now."""
    folder, redis, processes = fleet.house.folder, fleet.house.redis, fleet.processes
    counts = await asyncio.gather(*(_count(name, process, folder) for name, process in processes.items()))
    clients = await redis.client_list()
    channels = [channel.decode() for channel in await redis.pubsub_channels()]
    known = {os.getpid(), await fleet.valkey_pid(), *(process.pid for process in processes.values())}
    return Census(
        dict(zip(processes, counts, strict=True)),
        sum(int(client["sub"]) > 0 for client in clients),
        tuple(sorted(channels)),
        tuple(_strays(folder, known)),
    )


async def keys(redis: Redis) -> list[str]:
    """All there are, but for those that stay."""
    found = {key.decode() async for key in redis.scan_iter(count=1_000)}
    return sorted(key for key in found if not key.startswith(LASTING))


async def _count(name: str, process: Process, folder: Path) -> Count:
    try:
        tasks = await _tasks(process, folder)
    except TimeoutError:
        process.send(signal.SIGUSR1)
        tasks = {f"(it does not answer: see {process.pid}.stacks)": 1}
    return Count(name.partition(" ")[0], process.threads, len(process.children), _descriptors(process.pid), tasks)


async def _tasks(process: Process, folder: Path) -> dict[str, int]:
    report = folder / f"{process.pid}.json"
    report.unlink(missing_ok=True)
    process.send(signal.SIGUSR2)

    async def told() -> bool:
        return report.exists()

    await until(told, ANSWER_SECONDS)
    tasks: dict[str, int] = json.loads(report.read_text())["tasks"]
    return tasks


def _descriptors(pid: int) -> dict[str, int]:
    sockets = _sockets(pid)
    sorts: Counter[str] = Counter()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            target = str(entry.readlink())
            sorts[sockets.get(target, "other") if target.startswith("socket:") else _sort(target)] += 1
    return dict(sorts)


def _sort(target: str) -> str:
    return "file" if target.startswith("/") else "other"


def _sockets(pid: int) -> dict[str, str]:
    """By what the kernel calls them in a process's list of descriptors."""
    sorts = {}
    for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        sorts[f"socket:[{fields[9]}]"] = "listening" if fields[3] == LISTENING else "tcp"
    for line in Path(f"/proc/{pid}/net/unix").read_text().splitlines()[1:]:
        sorts[f"socket:[{line.split()[6]}]"] = "unix"
    return sorts


def _strays(folder: Path, known: set[int]) -> list[str]:
    return [
        f"{pid}: {_words(pid)}"
        for pid in map(int, filter(str.isdigit, os.listdir("/proc")))
        if pid not in known and _is_ours(pid, folder)
    ]


def _is_ours(pid: int, folder: Path) -> bool:
    """Started in the house's folder, or with its name in the environment."""
    with suppress(OSError):
        where = Path(f"/proc/{pid}/cwd").readlink()
        return where.is_relative_to(folder) or str(folder).encode() in Path(f"/proc/{pid}/environ").read_bytes()
    return False


def _words(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")[:200]
    return "gone"
