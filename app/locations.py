"""Folders of the operator's whose files anybody may name as an input: `location:<root>/<path>`. Read only.

The web process asks whether there is such a root, as it may lie on another host; the worker looks for the file.
"""

from collections.abc import Mapping
from pathlib import Path


class Locations:
    """Roots by name, from `TIDINGS_DATA_ROOTS`."""

    def __init__(self, roots: Mapping[str, Path]) -> None:
        self._roots = roots

    def knows(self, place: str) -> bool:
        """Whether the root is one of ours, and the path could lie below it."""
        root, _, path = place.partition("/")
        return root in self._roots and path.isprintable() and ".." not in path.split("/")

    def find(self, place: str) -> Path | None:
        """The file or folder; None where there is none, and for what leads out of its root, by a link as well."""
        if not self.knows(place):
            return None
        root, _, path = place.partition("/")
        base = self._roots[root].resolve()
        found = (base / path.lstrip("/")).resolve()
        return found if found.is_relative_to(base) and found.exists() else None
