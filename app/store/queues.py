"""The queues as operators see them: how much waits and runs in each, and which of them, or which kinds, are paused.

Called by `app/web/queues.py` and `app/web/kinds.py`. What a pause means is decided in `lua/claim.lua`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from redis.asyncio import Redis

from app.store.jobs import PREFIX
from app.store.nudges import Nudges
from app.store.reach import reaching
from app.store.scripts import Scripts

PAUSED: Final = f"{PREFIX}paused"


@dataclass(frozen=True, slots=True)
class Queue:
    """`waiting` jobs could start, `delayed` ones are not due yet or suspended, `running` ones hold a slot.

    `lag_seconds` is how long the job has been due that waits longest of those next in their lanes; 0: none waits.
    """

    queue: str
    paused: bool
    waiting: int
    delayed: int
    running: int
    lag_seconds: float
    started_per_minute: int
    ended_per_minute: int


class Queues:
    """Raises Unavailable when Redis cannot be reached."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._scripts = Scripts(redis)
        self._nudges = Nudges(redis)

    @reaching
    async def look_at(self, names: Sequence[str]) -> list[Queue]:
        """The queues of these names, in one moment each."""
        replies = await self._scripts.run_many("queue", [(name,) for name in names])
        return [_queue(name, reply) for name, reply in zip(names, replies, strict=True)]

    @reaching
    async def paused_kinds(self) -> frozenset[str]:
        """The kinds of which nothing is started."""
        members = [member.decode() for member in await self._redis.smembers(PAUSED)]  # type: ignore[misc]  # redis-py
        return frozenset(member.removeprefix("kind:") for member in members if member.startswith("kind:"))

    async def pause(self, queue: str) -> None:
        """Nothing in it is started from now on; what runs goes on."""
        await self._pause(f"queue:{queue}")

    async def resume(self, queue: str) -> None:
        """It goes on."""
        await self._resume(f"queue:{queue}", [queue])

    async def pause_kind(self, kind: str) -> None:
        """No job of the kind is started from now on, in whatever queue; what runs goes on."""
        await self._pause(f"kind:{kind}")

    async def resume_kind(self, kind: str, queue: str) -> None:
        """Its jobs, which mostly wait in that queue, go on."""
        await self._resume(f"kind:{kind}", [queue])

    @reaching
    async def _pause(self, what: str) -> None:
        await self._redis.sadd(PAUSED, what)  # type: ignore[misc]  # redis-py

    @reaching
    async def _resume(self, what: str, queues: Iterable[str]) -> None:
        await self._redis.srem(PAUSED, what)  # type: ignore[misc]  # redis-py
        for queue in queues:
            await self._nudges.pass_on(queue)


def _queue(name: str, reply: Sequence[int]) -> Queue:
    waiting, delayed, running, paused, lag_ms, started, ended = reply
    return Queue(name, bool(paused), waiting, delayed, running, lag_ms / 1000, started, ended)
