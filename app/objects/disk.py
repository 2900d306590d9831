"""Files on a disk of this host, or one that all hosts share: as they are, to be sent and read from where they lie."""

import math
import os
import secrets
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final

from app.folder import Folder, disk_time, written_at
from app.objects.content import Content, Told

ROOMS: Final = ("uploads", "artifacts")


class Disk:
    """A folder: a key is a path in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()

    def prepare(self) -> None:
        for room in ROOMS:
            (self._folder / room).mkdir(parents=True, exist_ok=True)

    def put(self, key: str, content: Content) -> None:
        """Under another name until it is whole."""
        target = self.path(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_name(f".{secrets.token_hex(8)}.part")
        try:
            with unfinished.open("wb") as file:
                for chunk in content:
                    file.write(chunk)
            unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)

    def adopt(self, key: str, path: Path, _told: Told) -> None:
        path.replace(self.path(key))

    def fetch(self, key: str, target: Path, _told: Told) -> None:
        """A link: the file stays where it is."""
        if not self.path(key).is_file():
            raise FileNotFoundError(key)
        target.symlink_to(self.path(key))

    def link(self, _key: str, _method: str, _answer: Mapping[str, str], _now_ms: int) -> None:
        return None

    def drop(self, key: str) -> None:
        path = self.path(key)
        while path.is_dir():
            with suppress(FileNotFoundError):  # somebody else is at it, too
                shutil.rmtree(path)
        path.unlink(missing_ok=True)

    def drop_unfinished(self, _silent_seconds: float) -> int:
        """None: it goes with the folder of its job."""
        return 0

    def path(self, key: str) -> Path:
        """Where it lies."""
        return self._folder / key

    def room(self, name: str) -> Folder:
        return Folder(self._folder / name)

    def note(self, name: str) -> "FileNote":
        return FileNote(self._folder / name)

    def time(self) -> float:
        return disk_time(self._folder)


class FileNote:
    """Its age is the file's."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __str__(self) -> str:
        return str(self._path)

    def text(self) -> str:
        return self._path.read_text() if self._path.exists() else ""

    def began(self) -> float:
        return written_at(self._path)

    def write(self, text: str, began: float) -> float:
        """In one step, as other workers do the same: the file is never without its age."""
        with NamedTemporaryFile("w", dir=self._path.parent, delete=False) as file:
            file.write(text)
        if began < math.inf:
            os.utime(file.name, (began, began))
        os.replace(file.name, self._path)
        return written_at(self._path)
