"""An upload on its way to disk, hashed as it comes. Written batch by batch from threads by `app/web/uploads.py`.

One that comes in several requests is a `ResumableFile` (`app/intake/resumable.py`).
"""

import errno
import hashlib
import os
from typing import Final

from app.artifacts import FileStore
from app.errors import StorageFull

NO_ROOM: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class IncomingFile:
    """Under its unfinished name until `keep`. Nothing stays open between batches, and `write` never makes the file:
    a batch that is still being written when its request is cancelled finds the file gone, and leaves nothing.
    """

    def __init__(self, files: FileStore, upload_id: str, *, begun: bool = False) -> None:
        self.upload_id = upload_id
        self.size = 0
        self._files = files
        self._path = files.unfinished(upload_id)
        if not begun:
            self._path.touch(exist_ok=False)
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """Of what has been written, lower-case hex."""
        return self._digest.hexdigest()

    def write(self, batch: bytes | bytearray) -> None:
        """Append; blocks. Raises StorageFull, or OSError when the disk fails otherwise."""
        try:
            with self._path.open("r+b", buffering=0) as file:
                file.seek(0, os.SEEK_END)
                rest = memoryview(batch)
                while rest:
                    rest = rest[file.write(rest) :]
        except OSError as error:
            if error.errno in NO_ROOM:
                raise StorageFull("The disk has no room for this upload.") from error
            raise
        self._digest.update(batch)
        self.size += len(batch)

    def keep(self) -> None:
        """It is whole."""
        self._path.replace(self._files.upload(self.upload_id))

    def discard(self) -> None:
        """It will never be, or is not wanted."""
        self._files.drop_upload(self.upload_id)
