"""The files of uploads and artifacts, on a disk or in S3. Names of users never become paths: files are named by ids.

Used by the upload and download doors, by the worker's context and by the sweepers. All of it blocks, so the callers on
an event loop go through a thread; what may take long goes through `transfers`.
"""

import mimetypes
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

from app.folder import disk_time, written_at
from app.jobs import Artifact
from app.objects import Content, Disk, Objects, Told, untold
from app.settings import Settings
from app.transfers import Transfers


class FileStore:
    """`uploads/<upload id>` and `artifacts/<job id>/<run>/<name>`; what comes in lies on our disk until it is whole,
    as `uploads/<upload id>.part`. Without `objects` all of it lies in the folder.
    """

    def __init__(self, folder: Path, objects: Objects | None = None) -> None:
        self._folder = folder.resolve()
        self._incoming = self._folder / "uploads"
        self.objects: Final = objects or Disk(folder)
        self.transfers: Final = Transfers()

    @classmethod
    def of(cls, settings: Settings, *, patience_seconds: float) -> Self:
        """As in the settings. A store that is away is tried again for so long."""
        if not settings.store_url.startswith("s3:"):
            return cls(settings.store_folder)
        from app.objects.bucket import Bucket  # noqa: PLC0415  only who uses S3 waits for its client to be loaded

        return cls(settings.store_folder, Bucket(settings, patience_seconds))

    def prepare(self) -> None:
        """Make the folders."""
        self._incoming.mkdir(parents=True, exist_ok=True)
        self.objects.prepare()

    def upload(self, upload_id: str) -> Path:
        """Where an upload lies, on a disk."""
        return self._folder / upload_key(upload_id)

    def unfinished(self, upload_id: str) -> Path:
        """Where it lies until its last byte has come."""
        return self._incoming / f"{upload_id}.part"

    def artifact(self, key: str) -> Path:
        """Where the artifact of this key lies, on a disk."""
        return self._folder / artifact_key(key)

    def keep_upload(self, upload_id: str, told: Told = untold) -> None:
        """It is whole: move it to where all hosts find it. Raises OSError, see `app/objects/objects.py`."""
        self.objects.adopt(upload_key(upload_id), self.unfinished(upload_id), told)

    def save(
        self,
        job_id: str,
        run: int,
        name: str,
        source: Path,
        content_type: str | None = None,
        *,
        main: bool = False,
        told: Told = untold,
    ) -> Artifact:
        """Copy a file in, hashed on the way. Each run has its own folder, so that a lost worker's spoils nothing.

        Raises ValueError for a name that is no plain file name, OSError when source or store fail.
        """
        if not is_file_name(name):
            raise ValueError(f"not a plain file name: {name!r}")
        key = f"{job_id}/{run}/{name}"
        content = Content(source, told)
        self.objects.put(artifact_key(key), content)
        guessed = content_type or mimetypes.guess_type(name)[0] or "application/octet-stream"
        return Artifact(name, content.size, guessed, content.sha256, key, main)

    def fetch(self, key: str, target: Path, told: Told = untold) -> None:
        """Have a file at `target`, to be read only: a link or a copy. Raises FileNotFoundError when it is gone."""
        self.objects.fetch(key, target, told)

    def link(self, artifact: Artifact, method: str, answer: Mapping[str, str], now_ms: int) -> str | None:
        """Where to send who asks for an artifact, signed anew; None where it is ours to send."""
        return self.objects.link(artifact_key(artifact.key), method, answer, now_ms)

    def abandoned(self, silent_seconds: float) -> list[str]:
        """Unfinished uploads to which nothing was added for so long."""
        latest = disk_time(self._incoming) - silent_seconds
        return [path.stem for path in self._incoming.glob("*.part") if written_at(path) < latest]

    def drop_unfinished(self, upload_id: str) -> None:
        """Delete what has come of an upload; nothing is fine."""
        self.unfinished(upload_id).unlink(missing_ok=True)

    def drop_artifacts(self, job_id: str) -> None:
        """Delete all files of a job; none is fine."""
        self.objects.drop(artifact_key(job_id))

    def drop_upload(self, upload_id: str, _told: Told = untold) -> None:
        """Delete an upload; none is fine."""
        self.drop_unfinished(upload_id)
        self.objects.drop(upload_key(upload_id))


def upload_key(upload_id: str) -> str:
    """The key of an upload's file."""
    return f"uploads/{upload_id}"


def artifact_key(key: str) -> str:
    """The key of an artifact's file, or of all of a job's or a run's."""
    return f"artifacts/{key}"


def is_file_name(name: str) -> bool:
    """Whether a name can stand for a file in any folder: 1 to 200 bytes, no separator, no leading dot, printable."""
    return 0 < len(os.fsencode(name)) <= 200 and not name.startswith(".") and name.isprintable() and "/" not in name
