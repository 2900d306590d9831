"""Where files come in, by whichever door: how many at a time, and how a file that is whole becomes an upload."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from app.artifacts import FileStore
from app.errors import Unavailable
from app.intake.incoming import IncomingFile
from app.store import Upload, UploadStore

MOST_AT_ONCE: Final = 64
"""Requests with a file that one process takes in at a time; each holds a batch in memory."""


class Reception:
    """One for all doors of a process."""

    def __init__(self, files: FileStore, uploads: UploadStore) -> None:
        self._files = files
        self._uploads = uploads
        self._receiving = 0

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """While a file comes in. Raises Unavailable when too many do."""
        if self._receiving >= MOST_AT_ONCE:
            raise Unavailable(f"{MOST_AT_ONCE} uploads are coming in already.", headers={"Retry-After": "5"})
        self._receiving += 1
        try:
            yield
        finally:
            self._receiving -= 1

    async def make_upload(self, incoming: IncomingFile, *, owner: str, name: str, content_type: str) -> Upload:
        """The file is whole. When this is interrupted it may have been kept all the same, and not be known yet."""
        upload = Upload(
            upload_id=incoming.upload_id,
            owner=owner,
            name=name,
            size=incoming.size,
            sha256=incoming.sha256,
            content_type=content_type,
            expires_at=await self._uploads.expiry(),
        )
        await self._files.transfers.run(incoming.keep)
        await self._uploads.add(upload)
        return upload
