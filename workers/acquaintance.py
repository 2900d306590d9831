"""Since when the Redis we talk to has known our data directory. Whatever is older it need not know of.

For `workers/orphans.py`: a Redis that was emptied, restored from an earlier state, or mistaken for another one does not
know every job, and files here would look like nobody's. Its name lies in a file whose age is that of the acquaintance,
beside the number of its last round of which we know.
"""

import math
import os
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final

import structlog

from app.folder import written_at

FILE: Final = "redis-identity"

log = structlog.get_logger()


class Acquaintance:
    """Blocks."""

    def __init__(self, data_dir: Path) -> None:
        self._file = data_dir.resolve() / FILE

    def remembered(self) -> tuple[str, int]:
        """Name and round as of the last time. To be asked before Redis is: what it counts then is more."""
        name, _, last = self._file.read_text().partition(" ") if self._file.exists() else ("", "", "")
        return name, int(last) if last.isdigit() else 0

    def since(self, identity: str, rounds: int, remembered: tuple[str, int]) -> float:
        """Seconds on the disk's clock. With any other Redis than the last time, or an earlier one, it begins anew."""
        known = identity == remembered[0] and rounds > remembered[1]
        began = written_at(self._file) if known else math.inf
        if began == math.inf:
            log.info("files so far are kept", action="orphans.unacquainted", data_dir=str(self._file.parent))
        return self._remember(f"{identity} {rounds}", began)

    def _remember(self, text: str, began: float) -> float:
        """In one step, as other workers do the same: the file is never without its age."""
        with NamedTemporaryFile("w", dir=self._file.parent, delete=False) as file:
            file.write(text)
        if began < math.inf:
            os.utime(file.name, (began, began))
        os.replace(file.name, self._file)
        return written_at(self._file)
