"""Since when the Redis we talk to has known our data directory. Whatever is older it need not know of.

For `workers/orphans.py`: a Redis that was emptied, restored or mistaken for another one knows no job, and every file
here would look like nobody's. Its name lies in a file whose age is that of the acquaintance.
"""

from pathlib import Path
from typing import Final

import structlog

from app.folder import written_at

FILE: Final = "redis-identity"

log = structlog.get_logger()


class Acquaintance:
    """Blocks."""

    def __init__(self, data_dir: Path) -> None:
        self._file = data_dir.resolve() / FILE

    def since(self, identity: str) -> float:
        """Seconds on the disk's clock. With any other Redis than the last time it begins anew."""
        if not self._file.exists() or self._file.read_text() != identity:
            log.info("files so far are kept", action="orphans.unacquainted", data_dir=str(self._file.parent))
            self._file.write_text(identity)
        return written_at(self._file)
