"""Folders of the operator's whose files anybody may name as an input: `location:<root>/<path>`. Read only.

The web process asks whether there is such a root, as it may lie on another host; the worker looks for the file.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Self

from app.objects import Told
from app.settings import Settings

if TYPE_CHECKING:
    from app.objects.tree import Tree


class Locations:
    """Roots by name: folders of this host, and trees in S3."""

    def __init__(self, roots: Mapping[str, "Path | Tree"]) -> None:
        self._roots = roots

    @classmethod
    def of(cls, settings: Settings, *, patience_seconds: float) -> Self:
        """From `TIDINGS_DATA_ROOTS`. An S3 that is away is tried again for so long."""

        def opened(root: Path | str) -> "Path | Tree":
            if isinstance(root, Path):
                return root
            from app.objects.bucket import Bucket  # noqa: PLC0415  as in `app/artifacts.py`
            from app.objects.tree import Tree  # noqa: PLC0415

            return Tree(Bucket(settings, patience_seconds, root))

        return cls({name: opened(root) for name, root in settings.data_roots.items()})

    def knows(self, place: str) -> bool:
        """Whether the root is one of ours, and the path could lie below it."""
        root, _, path = place.partition("/")
        parts = path.removesuffix("/").split("/") if path else []
        if root not in self._roots or not path.isprintable() or ".." in parts:
            return False
        return isinstance(self._roots[root], Path) or not {"", "."}.intersection(parts)

    def is_far(self, place: str) -> bool:
        """Whether it is to be fetched, not found."""
        return self.knows(place) and not isinstance(self._roots[place.partition("/")[0]], Path)

    def find(self, place: str) -> Path | None:
        """The file or folder; None where there is none, and for what leads out of its root, by a link as well."""
        root, _, path = place.partition("/")
        if not self.knows(place) or not isinstance(folder := self._roots[root], Path):
            return None
        base = folder.resolve()
        found = (base / path.lstrip("/")).resolve()
        return found if found.is_relative_to(base) and found.exists() else None

    def fetch(self, place: str, folder: Path, told: Told) -> Path:
        """A copy, in that folder, of what is far. Raises as `Tree.fetch` does."""
        root, _, path = place.partition("/")
        tree = self._roots[root]
        if isinstance(tree, Path) or not self.knows(place):
            raise FileNotFoundError(place)
        return tree.fetch(path.removesuffix("/"), folder, told)
