"""A folder of the operator's in S3 (`app/locations.py`): what is asked for comes to a folder here. Read only."""

import shutil
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from app.objects.bucket import Bucket
from app.objects.content import Told
from app.objects.objects import Unfit

MOST_FILES: Final = 1_000
LARGEST_SHARE: Final = 0.5
"""Of the free disk; the rest is for what is made of it, and for others."""
LONGEST_NAME: Final = 255
"""Bytes of one part of a path, on nearly every disk."""


class Tree:
    """All objects below the bucket's prefix. Keys are as `app/locations.py` has found them sane; "" is all of it."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def fetch(self, key: str, folder: Path, told: Told) -> Path:
        """The object of that key, or a folder with all below it. What is empty is left out of a folder: that is how
        S3's tools mark one.

        Raises FileNotFoundError where there is neither, Unfit, and OSError as in `app/objects/objects.py`.
        """
        target = folder / (PurePosixPath(key).name or "all")
        try:
            found = [("", self._bucket.size(key, told))] if key else self._below(key, told)
        except FileNotFoundError:
            found = self._below(key, told)
        _check(found, target)
        for path, _ in found:
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            self._bucket.fetch("/".join(filter(None, (key, path))), target / path, told)
        return target

    def _below(self, key: str, told: Told) -> Sequence[tuple[str, int]]:
        listed = self._bucket.below(key, MOST_FILES + 1, told)
        if len(listed) > MOST_FILES:
            raise Unfit(f"holds more than {MOST_FILES:,} files")
        found = [(path.removeprefix(key).removeprefix("/"), size) for path, size in listed if size]
        if not found:
            raise FileNotFoundError(key)
        return found


def _check(found: Sequence[tuple[str, int]], target: Path) -> None:
    if sum(size for _, size in found) > shutil.disk_usage(target.parent).free * LARGEST_SHARE:
        raise Unfit("is larger than the worker's disk has room for")
    paths = [PurePosixPath(path) for path, _ in found]
    parents = {parent for path in paths for parent in path.parents}
    parts = {target.name}.union(part for path in paths for part in path.parts)
    if (len(paths) > 1 and not parents.isdisjoint(paths)) or not all(map(_is_sane, parts)):
        raise Unfit("has names that no folder can hold")


def _is_sane(part: str) -> bool:
    return part not in ("..", "/") and "\0" not in part and len(part.encode()) <= LONGEST_NAME
