"""Deletes files that belong to nobody: what killed workers, lost runs and interrupted uploads have left behind.

Every worker runs one (`workers/main.py`), all at once. What is not known to Redis is not at once an orphan: it may
be on its way into Redis, and the Redis asked may not be the one that knew it (`workers/acquaintance.py`).
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection, Sequence
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

import structlog

from app.artifacts import FileStore
from app.objects import Disk, Objects, Room
from app.store import Identity, Retention, UploadStore
from workers.acquaintance import Acquaintance

EARLIEST_SECONDS: Final = 1_800.0
LATEST_SECONDS: Final = 3_600.0
UNTOUCHED_SECONDS: Final = 3_600.0
UNFINISHED_SECONDS: Final = 86_400.0
"""No upload in parts takes so long."""
BATCH: Final = 256

Owned: TypeAlias = Callable[[Sequence[str]], Awaitable[Collection[str]]]

log = structlog.get_logger()


class Place(NamedTuple):
    """A store of files, and since when it and Redis know each other."""

    objects: Objects
    acquaintance: Acquaintance


class Orphans:
    """Scratch is a live job's, artifacts are any known job's, an upload is its record's."""

    def __init__(
        self, data_dir: Path, files: FileStore, identity: Identity, retention: Retention, uploads: UploadStore
    ) -> None:
        self._identity = identity
        here, there = (Place(objects, Acquaintance(objects)) for objects in (Disk(data_dir), files.objects))
        self._places = (here, there)
        self._stored = files.objects
        self._owned: dict[str, tuple[Place, Owned]] = {
            "scratch": (here, retention.alive),
            "artifacts": (there, retention.by_expiry.known),
            "uploads": (there, uploads.by_expiry.known),
        }

    async def sweep(self) -> float:
        """One round. Answers after how many seconds the next is due. Raises Unavailable when Redis is away, OSError
        when the store of files is."""
        for place in self._places:
            await self._acquainted_since(place)
        for name, (place, owned) in self._owned.items():
            await self._clear(place, place.objects.room(name), owned)
        if unfinished := await asyncio.to_thread(self._stored.drop_unfinished, UNFINISHED_SECONDS):
            log.info("unfinished files deleted", action="orphans.unfinished", count=unfinished)
        return random.uniform(EARLIEST_SECONDS, LATEST_SECONDS)  # noqa: S311  spreads the workers, keeps no secret

    async def _acquainted_since(self, place: Place) -> float:
        remembered = await asyncio.to_thread(place.acquaintance.remembered)
        identity, rounds = await self._identity.name(), await self._identity.next_round()
        return await asyncio.to_thread(place.acquaintance.since, identity, rounds, remembered)

    async def _clear(self, place: Place, room: Room, owned: Owned) -> None:
        entries = await asyncio.to_thread(room.entries)
        for start in range(0, len(entries), BATCH):
            batch = entries[start : start + BATCH]
            orphans = set(batch) - set(await owned(batch))
            # Only now: had Redis been emptied before it was asked for the owners, it has another name.
            since = await self._acquainted_since(place)
            until = await asyncio.to_thread(place.objects.time) - UNTOUCHED_SECONDS
            if gone := await asyncio.to_thread(_drop, room, orphans, since, until):
                log.info("orphans deleted", action="orphans.swept", folder=room.name, count=gone)


def _drop(room: Room, entries: Collection[str], since: float, until: float) -> int:
    """Those last changed in that span. Answers how many; what cannot be deleted is left for the next round."""
    gone = 0
    for entry in entries:
        try:
            if since < room.changed_at(entry) < until:
                room.drop(entry)
                gone += 1
        except OSError as error:
            log.warning("orphan not deleted", action="orphans.not_swept", id=entry, error=str(error))
    return gone
