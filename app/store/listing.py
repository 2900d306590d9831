"""Which jobs an owner has: lists by cursor, and those still active. Reads; forgets index entries of expired jobs.

Called by the doors of the web process and by the feed.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from redis.asyncio import Redis

from app.jobs import Job
from app.store.jobs import PREFIX, JobStore
from app.store.reach import reaching

MOST_EXAMINED: Final = 1_000
"""Jobs one call looks at, so that a filter that fits nothing cannot hold Redis."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Empty means any. A job fits that has one of the statuses, one of the kinds and all of the tags."""

    statuses: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    created_after_ms: int = 0

    def fits(self, job: Job) -> bool:
        """Whether the list shows this job."""
        return self.fits_words(job.status, job.kind, job.tags) and job.created_at > self.created_after_ms

    def fits_words(self, status: str, kind: str, tags: Collection[str]) -> bool:
        """The same for what the feed knows of an event's job."""
        return (
            (not self.statuses or status in self.statuses)
            and (not self.kinds or kind in self.kinds)
            and self.tags <= set(tags)
        )


@dataclass(frozen=True, slots=True)
class Page:
    """Jobs, newest first, and the cursor that leads on. A page may be short, even empty, and still lead on."""

    jobs: tuple[Job, ...]
    next_cursor: str | None


class Listing:
    """The owners' indexes: sorted sets of job ids by time of creation."""

    def __init__(self, redis: Redis, jobs: JobStore) -> None:
        self._redis = redis
        self._jobs = jobs

    @reaching
    async def active(self, owner: str, limit: int) -> list[Job]:
        """The owner's jobs that have not ended, newest first."""
        ids = await self._redis.zrevrange(f"{PREFIX}active:{owner}", 0, limit - 1)
        return await self._jobs.read_many([job_id.decode() for job_id in ids])

    @reaching
    async def page(self, owner: str, wanted: Filter, *, limit: int, cursor: str | None = None) -> Page:
        """The next jobs after the cursor, which stays true while jobs come and go.

        Raises ValueError for a cursor that is none of ours.
        """
        index = f"{PREFIX}owner:{owner}"
        found: list[Job] = []
        rank = await self._rank_after(index, cursor) if cursor else 0
        for start in range(rank, rank + MOST_EXAMINED, limit):
            entries = await self._redis.zrevrange(index, start, start + limit - 1, withscores=True)
            jobs = await self._known(index, [job_id.decode() for job_id, _ in entries])
            for job_id, created in entries:
                if created <= wanted.created_after_ms:
                    return Page(tuple(found), None)
                job = jobs.get(job_id.decode())
                if job and wanted.fits(job):
                    found.append(job)
                if len(found) == limit:
                    break
            if len(entries) < limit and len(found) < limit:
                return Page(tuple(found), None)
            cursor = f"{int(created)}.{job_id.decode()}"
            if len(found) == limit:
                break
        return Page(tuple(found), cursor)

    async def _known(self, index: str, ids: Sequence[str]) -> dict[str, Job]:
        """The jobs that still exist; entries of the others leave the index."""
        jobs = {job.job_id: job for job in await self._jobs.read_many(ids)}
        if gone := [job_id for job_id in ids if job_id not in jobs]:
            await self._redis.zrem(index, *gone)
        return jobs

    async def _rank_after(self, index: str, cursor: str) -> int:
        """By the job the cursor names, wherever newer jobs have pushed it; if that is gone, by its time."""
        created, _, job_id = cursor.partition(".")
        rank: int | None = await self._redis.zrevrank(index, job_id)
        if rank is not None:
            return rank + 1
        count: int = await self._redis.zcount(index, f"({int(created)}", "+inf")
        return count
