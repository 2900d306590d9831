"""A file that comes in several requests, of whatever web process, and of each piece what it is checked by.

Used by `app/intake/resumption.py`. All of it blocks; only opening is quick enough for an event loop.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from tempfile import TemporaryFile
from threading import Lock
from typing import Final, NamedTuple

from app.artifacts import FileStore
from app.errors import ChecksumMismatch, UploadBusy
from app.intake.incoming import IncomingFile

PIECE_BYTES: Final = 4 << 20


class ResumableFile(IncomingFile):
    """Open for one request at a time: the lock is the kernel's, so that it goes with the process at the latest.

    `size` is what has come: what the file says, and nothing else.
    """

    def __init__(self, files: FileStore, upload_id: str) -> None:
        """Raises UploadBusy, or FileNotFoundError when there is nothing of it."""
        super().__init__(files, upload_id, begun=True)
        self._using = Lock()
        self._file = self._path.open("r+b", buffering=0)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            status = os.fstat(self._file.fileno())
            if not os.path.samestat(status, self._path.stat()):
                raise FileNotFoundError(f"{self._path} is another by now")
        except OSError as error:
            self._file.close()
            if isinstance(error, BlockingIOError):
                raise UploadBusy("Another request is writing to it.") from None
            raise
        self.size = status.st_size
        self._hashed = self.size == 0

    def write(self, batch: bytes | bytearray) -> None:
        """Append. What a cancelled request still writes, it writes before it lets go of the file."""
        with self._using:
            super().write(batch)

    def cut(self, size: int) -> None:
        """What came beyond that is not wanted."""
        with self._using:
            os.ftruncate(self._file.fileno(), size)
            self.size, self._hashed = size, False

    def sync(self) -> None:
        """What has come will be there even after a power failure."""
        with self._using:
            os.fsync(self._file.fileno())

    def hash_rest(self) -> Iterator[int]:
        """Make `sha256` that of the whole file, piece by piece; nothing to do when one request has brought all."""
        if self._hashed:
            return
        digest = hashlib.sha256()
        with self._path.open("rb", buffering=0) as reader:
            while piece := reader.read(PIECE_BYTES):
                digest.update(piece)
                yield len(piece)
        self._digest, self._hashed = digest, True

    def close(self) -> None:
        """Let others have it."""
        with self._using:
            self._file.close()


class Checksum(NamedTuple):
    """`algorithm` as hashlib calls it."""

    algorithm: str
    digest: bytes


class CheckedPiece:
    """What one request brings waits in a file without a name, which goes with the process, until it is known to be
    right: nothing of a piece that is not ever becomes part of the upload."""

    def __init__(self, files: FileStore, upload_id: str, checksum: Checksum) -> None:
        self._waiting = TemporaryFile(dir=files.unfinished(upload_id).parent)  # noqa: SIM115  closed by `close`
        self._digest = hashlib.new(checksum.algorithm, usedforsecurity=False)
        self._expected = checksum.digest
        self._using = Lock()

    def write(self, batch: bytes | bytearray) -> None:
        """Append to what waits."""
        with self._using:
            self._waiting.write(batch)
        self._digest.update(batch)

    def append_to(self, file: ResumableFile) -> None:
        """All of it has come. Raises ChecksumMismatch."""
        if self._digest.digest() != self._expected:
            raise ChecksumMismatch(f"Of the {self._digest.name} of what came that is not the checksum.")
        with self._using:
            self._waiting.seek(0)
            while piece := self._waiting.read(PIECE_BYTES):
                file.write(piece)

    def close(self) -> None:
        """It is gone."""
        with self._using:
            self._waiting.close()
