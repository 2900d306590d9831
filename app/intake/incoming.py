"""An upload on its way to disk, hashed as it comes. Written batch by batch from threads by `app/web/uploads.py`.

One that comes in several requests is a `ResumableFile` (`app/intake/resumable.py`).
"""

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog

from app.artifacts import FileStore
from app.errors import StorageFull, Unavailable
from app.objects import Told, untold

RETRY_SECONDS: Final = 5
NO_ROOM: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

log = structlog.get_logger()


class IncomingFile:
    """Under its unfinished name until `keep`. Nothing stays open between batches, and `write` never makes the file:
    a batch that is still being written when its request is cancelled finds the file gone, and leaves nothing.
    """

    def __init__(self, files: FileStore, upload_id: str, *, begun: bool = False) -> None:
        self.upload_id = upload_id
        self.size = 0
        self.kept = False
        self._files = files
        self._path = files.unfinished(upload_id)
        if not begun:
            with room_for_it():
                self._path.touch(exist_ok=False)
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """Of what has been written, lower-case hex."""
        return self._digest.hexdigest()

    def write(self, batch: bytes | bytearray) -> None:
        """Append; blocks. Raises StorageFull, or OSError when the disk fails otherwise."""
        with room_for_it(), self._path.open("r+b", buffering=0) as file:
            file.seek(0, os.SEEK_END)
            rest = memoryview(batch)
            while rest:
                rest = rest[file.write(rest) :]
        self._digest.update(batch)
        self.size += len(batch)

    def keep(self, told: Told = untold) -> None:
        """It is whole; blocks until all hosts find it. Raises StorageFull, or Unavailable when the store is away."""
        self.kept = True  # or may be, from now on
        with room_for_it():
            try:
                self._files.keep_upload(self.upload_id, told)
            except (ConnectionError, PermissionError) as error:
                log.warning("upload not stored", action="uploads.not_stored", error=str(error))
                raise Unavailable(
                    "Files cannot be stored at the moment.", headers={"Retry-After": str(RETRY_SECONDS)}
                ) from error

    def discard(self, _told: Told = untold) -> None:
        """It will never be, or is not wanted. Once `kept` this blocks, and raises OSError when it cannot be done."""
        self._files.drop_unfinished(self.upload_id)
        if self.kept:
            self._files.drop_upload(self.upload_id)


@contextmanager
def room_for_it() -> Iterator[None]:
    """Raises StorageFull where the disk has none."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_ROOM:
            raise StorageFull("There is no room for this upload.") from error
        raise
