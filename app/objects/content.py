"""A file on its way into a store: read in pieces, and hashed as they pass."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeAlias

CHUNK_BYTES: Final = 1 << 20

Told: TypeAlias = Callable[[int], None]
"""Called in the thread that moves a file, with the bytes moved so far; what it raises ends the move."""


def untold(_: int) -> None:
    """For who does not want to know."""


class Content:
    """The bytes of a file, from the first each time it is iterated. `size` and `sha256` are of the last whole pass."""

    def __init__(self, path: Path, told: Told = untold) -> None:
        self.path = path
        self.told = told
        self.size = 0
        self.sha256 = ""

    def __iter__(self) -> Iterator[bytes]:
        digest, size = hashlib.sha256(), 0
        with self.path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
                size += len(chunk)
                self.told(size)
                yield chunk
        self.size, self.sha256 = size, digest.hexdigest()
