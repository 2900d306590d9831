"""The folder that holds uploads and artifacts. Names of users never become paths: files are named by ids.

Used by the upload and download doors, by the worker's context and by the sweeper. All of it blocks, so the callers on
an event loop go through a thread.
"""

import hashlib
import mimetypes
import os
import secrets
import shutil
from pathlib import Path
from typing import Final

from app.folder import disk_time, written_at
from app.jobs import Artifact

CHUNK_BYTES: Final = 1 << 20


class FileStore:
    """`uploads/<upload id>`, with `.part` behind while it comes in, and `artifacts/<job id>/<run>/<name>`."""

    def __init__(self, data_dir: Path) -> None:
        self._uploads = data_dir.resolve() / "uploads"
        self._artifacts = data_dir.resolve() / "artifacts"

    def prepare(self) -> None:
        """Make the folders."""
        for folder in (self._uploads, self._artifacts):
            folder.mkdir(parents=True, exist_ok=True)

    def upload(self, upload_id: str) -> Path:
        """Where an upload lies."""
        return self._uploads / upload_id

    def unfinished(self, upload_id: str) -> Path:
        """Where it lies until its last byte has come."""
        return self._uploads / f"{upload_id}.part"

    def artifact(self, key: str) -> Path:
        """Where the artifact of this key lies."""
        return self._artifacts / key

    def save(
        self, job_id: str, run: int, name: str, source: Path, content_type: str | None = None, *, main: bool = False
    ) -> Artifact:
        """Copy a file in, hashed on the way. Each run has its own folder, so that a lost worker's spoils nothing.

        Raises ValueError for a name that is no plain file name, OSError when source or disk fail.
        """
        if not is_file_name(name):
            raise ValueError(f"not a plain file name: {name!r}")
        key = f"{job_id}/{run}/{name}"
        target = self.artifact(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_name(f".{secrets.token_hex(8)}.part")
        try:
            size, sha256 = _copy(source, unfinished)
            unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)
        guessed = content_type or mimetypes.guess_type(name)[0] or "application/octet-stream"
        return Artifact(name, size, guessed, sha256, key, main)

    def abandoned(self, silent_seconds: float) -> list[str]:
        """Unfinished uploads to which nothing was added for so long."""
        latest = disk_time(self._uploads) - silent_seconds
        return [path.stem for path in self._uploads.glob("*.part") if written_at(path) < latest]

    def drop_unfinished(self, upload_id: str) -> None:
        """Delete what has come of an upload; nothing is fine."""
        self.unfinished(upload_id).unlink(missing_ok=True)

    def drop_artifacts(self, job_id: str) -> None:
        """Delete all files of a job; none is fine."""
        shutil.rmtree(self._artifacts / job_id, ignore_errors=True)

    def drop_upload(self, upload_id: str) -> None:
        """Delete an upload; none is fine."""
        self.upload(upload_id).unlink(missing_ok=True)
        self.unfinished(upload_id).unlink(missing_ok=True)


def is_file_name(name: str) -> bool:
    """Whether a name can stand for a file in any folder: 1 to 200 bytes, no separator, no leading dot, printable."""
    return 0 < len(os.fsencode(name)) <= 200 and not name.startswith(".") and name.isprintable() and "/" not in name


def _copy(source: Path, target: Path) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    with source.open("rb") as reader, target.open("wb") as writer:
        while chunk := reader.read(CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
            writer.write(chunk)
    return size, digest.hexdigest()
