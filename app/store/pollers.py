"""Who asks too often: counted where a poll is refused (`lua/parts/refusals.lua`). Called by `app/web/pollers.py`."""

from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from redis.asyncio import Redis

from app.store.clock import in_ms
from app.store.jobs import PREFIX
from app.store.reach import reaching

KEY: Final = f"{PREFIX}pollers"
REMEMBERED_MS: Final = 3_600_000
"""How long after its last refusal one is known."""


@dataclass(frozen=True, slots=True)
class Poller:
    """An owner that asks for one `job` or `batch`, and how often that was `refused` since it last had an hour's peace.
    `last_at` is milliseconds since 1970."""

    owner: str
    what: str
    subject_id: str
    refused: int
    last_at: int


class Pollers:
    """Raises Unavailable when Redis cannot be reached."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    @reaching
    async def worst(self, most: int) -> list[Poller]:
        """Those of the last hour, most often refused first; a thousand are known."""
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.zrange(KEY, 0, -1, withscores=True)
            pipe.hgetall(f"{KEY}:refused")
            pipe.time()
            seen, refused, time = await pipe.execute()
        since = in_ms(time) - REMEMBERED_MS
        found = [_poller(who.decode(), int(refused.get(who, 0)), int(at)) for who, at in seen if at > since]
        return sorted(found, key=attrgetter("refused", "last_at"), reverse=True)[:most]


def _poller(who: str, refused: int, at: int) -> Poller:
    what, subject_id, owner = who.split(" ", 2)
    return Poller(owner, what, subject_id, refused, at)
