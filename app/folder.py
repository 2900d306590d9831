"""A folder of the data directory whose entries, files or folders, are named by ids. For who deletes what lies there.

All of it blocks. Entries of any other name are not ours: they are not listed and never deleted.
"""

import math
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile

from app.jobs import is_job_id


class Folder:
    """It need not exist."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self._path = path

    def entries(self) -> list[str]:
        """The ids."""
        with suppress(FileNotFoundError):
            return [name for name in os.listdir(self._path) if is_job_id(name)]
        return []

    def changed_at(self, entry: str) -> float:
        """When the entry, or anything in it, was last written: seconds on the disk's clock, infinity if it is gone."""
        return max((time for path in self._tree(entry) if (time := written_at(path)) < math.inf), default=math.inf)

    def drop(self, entry: str) -> None:
        """Delete it; nothing is fine. Raises OSError for what cannot be deleted."""
        path = self._path / entry
        with suppress(FileNotFoundError):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()

    def _tree(self, entry: str) -> Iterator[Path]:
        yield self._path / entry
        for folder, _, names in os.walk(self._path / entry):
            yield Path(folder)
            yield from (Path(folder, name) for name in names)


def written_at(path: Path) -> float:
    """Seconds on the disk's clock, or infinity, as for what is yet to come, if it is not there."""
    try:
        return path.lstat().st_mtime
    except FileNotFoundError:
        return math.inf


def disk_time(folder: Path) -> float:
    """What time it is for files made there: a network's disk has a clock of its own, and a host's may be wrong."""
    with TemporaryFile(dir=folder) as file:
        return os.fstat(file.fileno()).st_mtime
