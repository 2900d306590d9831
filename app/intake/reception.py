"""Where files come in, by whichever door: how many and how often, and how a file that is whole becomes an upload."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from app.artifacts import FileStore
from app.errors import Unavailable, UploadTooFast
from app.intake.incoming import IncomingFile
from app.limits import KeyRate
from app.store import Upload, UploadStore

MOST_AT_ONCE: Final = 64
"""Requests with a file that one process takes in at a time; each holds a batch in memory."""
RETRY_SECONDS: Final = "5"


class Reception:
    """One for all doors of a process."""

    def __init__(self, files: FileStore, uploads: UploadStore, per_minute: int) -> None:
        self._files = files
        self._uploads = uploads
        self._per_minute = per_minute
        self._receiving: Counter[str] = Counter()

    async def expect(self, owner: str, rate: KeyRate) -> None:
        """An upload begins. Raises UploadTooFast."""
        await self._uploads.count(owner, self._per_minute, rate)

    @contextmanager
    def admitted(self, owner: str) -> Iterator[None]:
        """While a file comes in. An owner may have as many places as are free, so that others always find some.

        Raises Unavailable when too many come in, UploadTooFast when too many of this owner do.
        """
        free, patience = MOST_AT_ONCE - self._receiving.total(), {"Retry-After": RETRY_SECONDS}
        if not free:
            raise Unavailable(f"{MOST_AT_ONCE} uploads are coming in already.", headers=patience)
        if self._receiving[owner] >= free:
            raise UploadTooFast("Others need the places that are left; wait for some of yours.", headers=patience)
        self._receiving[owner] += 1
        try:
            yield
        finally:
            self._receiving[owner] -= 1
            if not self._receiving[owner]:
                del self._receiving[owner]

    async def make_upload(
        self, incoming: IncomingFile, *, owner: str, name: str, content_type: str, single: str = ""
    ) -> Upload:
        """The file is whole. When this is interrupted it may have been kept all the same, and not be known yet."""
        upload = Upload(
            upload_id=incoming.upload_id,
            owner=owner,
            name=name,
            size=incoming.size,
            sha256=incoming.sha256,
            content_type=content_type,
            expires_at=await self._uploads.expiry(),
            single=single,
        )
        await self._files.transfers.run(incoming.keep)
        await self._uploads.add(upload)
        return upload
