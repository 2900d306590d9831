"""Which jobs an owner has: lists by cursor, and those still active. Pruning has the indexes forget expired jobs.

Called by the doors of the web process, by the feed and by the sweeper.
"""

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from redis.asyncio import Redis

from app.events import json_text
from app.jobs import EVERYBODY, Job, is_job_id
from app.store.batches import batch_jobs_key
from app.store.jobs import PREFIX, JobStore
from app.store.reach import reaching
from app.store.scripts import Scripts

OWNERS: Final = f"{PREFIX}owners"
MOST_EXAMINED: Final = 1_000
"""Jobs one call looks at, so that neither a filter that fits nothing nor a pruning can hold Redis."""
MOST_OWNERS: Final = 1_000
"""Owners that are looked through where everybody's jobs are asked for."""
MOST_OF_ALL: Final = 50
"""Jobs of everybody's that one call finds: of so many owners so many each have to be compared."""
SAMPLE: Final = 20
"""Entries of an index that a pruning looks at to tell how stale it is."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Empty means any. A job fits that has one of the statuses, one of the kinds, all of the tags and all of the
    metadata, whose values are compared as text.

    `batch_id` and `text` are for lists alone, which then go through the batch's own index, and look for the text, in
    small letters, in each job.
    """

    statuses: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    created_after_ms: int = 0
    metadata: tuple[tuple[str, str], ...] = ()
    batch_id: str = ""
    text: str = ""

    def fits(self, job: Job) -> bool:
        """Whether the list shows this job."""
        return (
            self.fits_words(job.status, job.kind, job.tags)
            and job.created_at > self.created_after_ms
            and self.batch_id in ("", job.batch_id)
            and all(said(job.metadata, name) == value for name, value in self.metadata)
            and (not self.text or mentions(job, self.text))
        )

    def fits_words(self, status: str, kind: str, tags: Collection[str]) -> bool:
        """The same for what the feed knows of an event's job."""
        return (
            (not self.statuses or status in self.statuses)
            and (not self.kinds or kind in self.kinds)
            and self.tags <= set(tags)
        )


def said(metadata: Mapping[str, Any] | None, name: str) -> str | None:
    """A value of a job's metadata as text, numbers and truth as JSON has them; None where there is none."""
    if not metadata or name not in metadata:
        return None
    value = metadata[name]
    return value if isinstance(value, str) else json_text(value)


def mentions(job: Job, text: str) -> bool:
    """Whether its id begins with the text, or its kind, tags, metadata or error contain it, in capitals or not."""
    words = [job.kind, *job.tags, *map(str, (job.error or {}).values())]
    words += [said(job.metadata, name) or "" for name in job.metadata or ()]
    return job.job_id.startswith(text) or any(text in word.casefold() for word in words)


@dataclass(frozen=True, slots=True)
class Page:
    """Jobs, newest first, and the cursor that leads on. A page may be short, even empty, and still lead on."""

    jobs: tuple[Job, ...]
    next_cursor: str | None


class Place(NamedTuple):
    """Where a job stands in a list: by its moment, and among those of the same millisecond by its id.

    In the list of a batch its number there stands for the moment.
    """

    created: float
    job_id: str

    @property
    def cursor(self) -> str:
        """What leads on from here."""
        return f"{self.created:.0f}.{self.job_id}"


CURSOR: Final = r"^[0-9]{1,15}\.[a-z0-9]{26}$"
"""What a place's cursor looks like."""

NEWEST: Final = Place(math.inf, "")


class Listing:
    """The owners' indexes: sorted sets of job ids by time of creation. Everybody's list is made of them."""

    def __init__(self, redis: Redis, jobs: JobStore) -> None:
        self._redis = redis
        self._jobs = jobs
        self._scripts = Scripts(redis)

    @reaching
    async def owners(self) -> list[str]:
        """Who has jobs, a thousand at most."""
        return [owner.decode() for owner in await self._redis.zrange(OWNERS, 0, MOST_OWNERS - 1)]

    @reaching
    async def active(self, owner: str, limit: int) -> list[Job]:
        """The owner's jobs that have not ended, newest first."""
        ids = await self._redis.zrevrange(f"{PREFIX}active:{owner}", 0, limit - 1)
        return await self._jobs.read_many([job_id.decode() for job_id in ids])

    @reaching
    async def page(self, owner: str, wanted: Filter, *, limit: int, cursor: str | None = None) -> Page:
        """The next jobs after the cursor, which stays true while jobs come and go. The owner may be EVERYBODY.

        Raises ValueError for a cursor that is none of ours.
        """

        def fits(job: Job) -> bool:
            return owner in (EVERYBODY, job.owner) and wanted.fits(job)

        place = NEWEST if cursor is None else _place(cursor)
        if is_job_id(wanted.text):
            named = await self._jobs.read_many([wanted.text])
            if named and fits(named[0]):
                return Page(tuple(named), None)
        step = limit if owner != EVERYBODY else min(limit, MOST_OF_ALL)
        found: list[Job] = []
        for _ in range(0, MOST_EXAMINED, step):
            places = await self._following(owner, wanted, place, step)
            jobs = {job.job_id: job for job in await self._jobs.read_many([place.job_id for place in places])}
            for place in places:
                job = jobs.get(place.job_id)
                if job and fits(job):
                    found.append(job)
                if len(found) == limit:
                    return Page(tuple(found), place.cursor)
            if len(places) < step:
                return Page(tuple(found), None)
        return Page(tuple(found), place.cursor)

    async def prune(self) -> bool:
        """Have expired jobs leave the indexes that were pruned longest ago. Answers whether much is left to do."""
        examined, removed = await self._scripts.run("prune", (SAMPLE, MOST_EXAMINED))
        return bool(examined >= MOST_EXAMINED and 4 * removed > examined)

    async def _following(self, owner: str, wanted: Filter, place: Place, most: int) -> list[Place]:
        """Where the jobs after the place stand, of the index that knows most of what is wanted."""
        if wanted.batch_id:
            return await self._after(batch_jobs_key(wanted.batch_id), place, most, 0)
        if owner == EVERYBODY:
            arguments = (place.created, place.job_id, most, wanted.created_after_ms, MOST_OWNERS)
            flat = await self._scripts.run("list", arguments)
            return [Place(float(flat[i + 1]), flat[i].decode()) for i in range(0, len(flat), 2)]
        return await self._after(f"{PREFIX}owner:{owner}", place, most, wanted.created_after_ms)

    async def _after(self, index: str, place: Place, most: int, created_after_ms: int) -> list[Place]:
        """By place and not by rank: ranks move while jobs come and go."""
        moment = place.created
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.zrevrangebyscore(index, moment, moment, withscores=True)  # few share a millisecond
            pipe.zrevrangebyscore(index, f"({moment}", f"({created_after_ms}", start=0, num=most, withscores=True)
            peers, older = await pipe.execute()
        places = [Place(created, job_id.decode()) for job_id, created in (*peers, *older)]
        return [other for other in places if other < place][:most]


def _place(cursor: str) -> Place:
    if not re.fullmatch(CURSOR, cursor):
        raise ValueError(f"not a cursor: {cursor!r}")
    created, _, job_id = cursor.partition(".")
    return Place(float(created), job_id)
