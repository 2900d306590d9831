"""What a store of files can do. All of it blocks, and raises OSError when it cannot be done.

A store that is away raises ConnectionError, one that refuses PermissionError, one that is full OSError with ENOSPC:
Python's own words, since a handler may see them, in its own process too.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from app.objects.content import Content, Told


class Unfit(Exception):
    """It is there, but cannot lie here. The text goes on after what was asked for: `holds more than ...`."""


class Room(Protocol):
    """Everything below one name, by ids. For who deletes what belongs to nobody (`workers/orphans.py`)."""

    name: str

    def entries(self) -> list[str]:
        """The ids; what is named otherwise is not ours."""

    def changed_at(self, entry: str) -> float:
        """When it, or anything in it, was last written: seconds on the store's clock, infinity if it is gone."""

    def drop(self, entry: str) -> None:
        """Delete it; nothing is fine."""


class Note(Protocol):
    """A line of text in the store that knows its age (`workers/acquaintance.py`)."""

    def text(self) -> str:
        """What it says; nothing where there is none."""

    def began(self) -> float:
        """Since when it has been kept up: seconds on the store's clock, infinity where there is none."""

    def write(self, text: str, began: float) -> float:
        """Keep it up, or with infinity begin it anew. Answers since when."""


class Objects(Protocol):
    """Keys are paths without dots: `uploads/<id>`, `artifacts/<job id>/<run>/<name>`. A file is there whole or not."""

    def prepare(self) -> None:
        """Make what must be there."""

    def put(self, key: str, content: Content) -> None:
        """Store it."""

    def adopt(self, key: str, path: Path, told: Told) -> None:
        """Store a file that is wanted nowhere else; then it is gone from where it lay."""

    def fetch(self, key: str, target: Path, told: Told) -> None:
        """Have the file at `target`, to be read only. Raises FileNotFoundError."""

    def link(self, key: str, method: str, answer: Mapping[str, str], now_ms: int) -> str | None:
        """An URL that opens the file to whoever has it, for a while from then on; None where files are on our disk.

        `answer` are header fields of the answer there: `content-type`, `content-disposition`.
        """

    def drop(self, key: str) -> None:
        """Delete what lies under the key and below it; nothing is fine."""

    def drop_unfinished(self, silent_seconds: float) -> int:
        """Delete what was begun to be stored so long ago and is not whole; answers how many."""

    def room(self, name: str) -> Room: ...

    def note(self, name: str) -> Note: ...

    def time(self) -> float:
        """What time it is for files made there, in seconds."""
