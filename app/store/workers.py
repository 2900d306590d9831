"""The workers there are, and what each runs.

A worker says that it is there (`lua/announce.lua`); what it runs is read off the registry of runs, which the scripts
keep anyway (`lua/parts/slots.lua`).

Called by `workers/presence.py` and `app/web/workers.py`.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final

from pydantic import TypeAdapter
from redis.asyncio import Redis

from app.events import json_text
from app.store.clock import in_ms
from app.store.jobs import PREFIX
from app.store.reach import reaching
from app.store.scripts import Scripts

KEY: Final = f"{PREFIX}workers"
TOLD: Final = f"{KEY}:told"
RUNNING: Final = f"{PREFIX}running"
MOST_RUNS: Final = 20_000
"""Looked at in all."""
STEP_RUNS: Final = 500
"""In one call, so that neither Redis nor the loop is held up."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """What a worker says of itself: how many runs it takes at once, of which kinds, from which queues, in order."""

    host: str
    concurrency: int
    kinds: tuple[str, ...]
    queues: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Occupation:
    """A run as it is under way; `started_at` is when its attempt began."""

    job_id: str
    kind: str
    owner: str
    attempt: int
    started_at: int


@dataclass(frozen=True, slots=True)
class WorkerSeen:
    """A worker that is there, since when, and when it last said so. Its runs are the longest first."""

    worker: str
    started_at: int
    last_seen_at: int
    says: Announcement
    runs: tuple[Occupation, ...]


class WorkerStore:
    """Raises Unavailable when Redis cannot be reached."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._scripts = Scripts(redis)

    async def announce(self, worker: str, says: Announcement, *, holds_ms: int, since: int | None = None) -> int:
        """It is there, at least for so long. Returns since when it is, which the next call is to be told."""
        told = json_text(asdict(says))
        began: int = await self._scripts.run("announce", (worker, told, holds_ms, "" if since is None else since))
        return began

    @reaching
    async def forget(self, worker: str) -> None:
        """It has gone."""
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.zrem(KEY, worker)
            pipe.hdel(TOLD, worker)
            await pipe.execute()

    @reaching
    async def present(self) -> list[WorkerSeen]:
        """Those that are there, by name."""
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.zrange(KEY, 0, -1, withscores=True)
            pipe.hgetall(TOLD)
            pipe.time()
            until, told, time = await pipe.execute()
        there, runs = {worker for worker, at in until if at > in_ms(time)}, await self._runs()
        seen = (_seen(worker.decode(), told.get(worker, b""), runs) for worker in sorted(there))
        return [worker for worker in seen if worker]

    async def _runs(self) -> Mapping[str, dict[str, Occupation]]:
        """By worker and job, as one may come up twice."""
        found: dict[str, dict[str, Occupation]] = defaultdict(dict)
        cursor = 0
        for _ in range(0, MOST_RUNS, STEP_RUNS):
            cursor, entries = await self._redis.hscan(RUNNING, cursor, count=STEP_RUNS)
            for job_id, entry in entries.items():
                _, kind, owner, *rest = entry.decode(errors="replace").split("\n")
                if len(rest) == 3:  # else it was written by an earlier release
                    worker, attempt, began = rest
                    found[worker][job_id] = Occupation(job_id.decode(), kind, owner, int(attempt), int(began))
            if not cursor:
                break
        return found


_SAYS: Final = TypeAdapter(Announcement)


def _seen(worker: str, told: bytes, runs: Mapping[str, dict[str, Occupation]]) -> WorkerSeen | None:
    """None for what makes no sense: it must not cost the others."""
    try:
        since, last, text = told.split(b" ", 2)
        says = _SAYS.validate_json(text)
    except ValueError:
        return None
    longest_first = sorted(runs.get(worker, {}).values(), key=lambda run: (run.started_at, run.job_id))
    return WorkerSeen(worker, int(since), int(last), says, tuple(longest_first))
