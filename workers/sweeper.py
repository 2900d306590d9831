"""Deletes what has expired: uploads, artifacts of ended jobs, uploads that never came to their end, index entries.

Every worker runs one (`workers/main.py`), all at once: each step may be repeated and may find its work done.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from app.artifacts import FileStore
from app.jobs import is_job_id
from app.store import ByExpiry, Listing, Retention, UnfinishedStore, UploadStore

EARLIEST_SECONDS: Final = 20.0
LATEST_SECONDS: Final = 30.0
ABANDONED_SECONDS: Final = 86_400.0
BATCH: Final = 256

log = structlog.get_logger()


class Sweeper:
    """Files first, then the entries that name them: what is interrupted is done again."""

    def __init__(
        self,
        uploads: UploadStore,
        unfinished: UnfinishedStore,
        retention: Retention,
        listing: Listing,
        files: FileStore,
    ) -> None:
        self._uploads = uploads
        self._unfinished = unfinished
        self._retention = retention
        self._listing = listing
        self._files = files

    async def sweep(self) -> float:
        """One round. Answers after how many seconds the next is due. Raises Unavailable when Redis is away."""
        await _clear(self._uploads.by_expiry, self._files.drop_upload)
        await _clear(self._unfinished.by_expiry, self._files.drop_unfinished)
        await _clear(self._retention.by_expiry, self._files.drop_artifacts)
        await self._clear_abandoned()
        while await self._listing.prune():
            pass
        return random.uniform(EARLIEST_SECONDS, LATEST_SECONDS)  # noqa: S311  spreads the workers, keeps no secret

    async def _clear_abandoned(self) -> None:
        """Those of requests that never came to their end; what can be resumed may wait for longer."""
        silent = await asyncio.to_thread(self._files.abandoned, ABANDONED_SECONDS)
        abandoned = sorted(set(silent) - await self._unfinished.by_expiry.known(silent))
        if gone := await asyncio.to_thread(_drop, self._files.drop_unfinished, abandoned):
            log.info("abandoned uploads deleted", action="uploads.swept", count=len(gone))


async def _clear(entries: ByExpiry, drop: Callable[[str], None]) -> None:
    """Batch by batch, until one was not full. What cannot be deleted is left for the next round."""
    while ids := await entries.expired(BATCH):
        gone = await asyncio.to_thread(_drop, drop, ids)
        if gone:
            await entries.forget(gone)
            log.info("expired files deleted", action="files.swept", count=len(gone))
        if len(gone) < BATCH:
            return


def _drop(drop: Callable[[str], None], ids: Sequence[str]) -> list[str]:
    """Those that are gone. What is no id of ours must not become a path. A store that is away is not asked again."""
    gone = []
    for entry in ids:
        try:
            if is_job_id(entry):
                drop(entry)
            gone.append(entry)
        except OSError as error:
            log.warning("expired file not deleted", action="files.not_swept", id=entry, error=str(error))
            if isinstance(error, ConnectionError):
                break
    return gone
