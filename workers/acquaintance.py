"""Since when the Redis we talk to has known our files. Whatever is older it need not know of.

For `workers/orphans.py`: a Redis that was emptied, restored from an earlier state, or mistaken for another one does not
know every job, and files here would look like nobody's. Its name lies in a note whose age is that of the acquaintance,
beside the number of its last round of which we know; one beside the scratch folders, one in the store of files.
"""

import math
from typing import Final

import structlog

from app.objects import Objects

FILE: Final = "redis-identity"

log = structlog.get_logger()


class Acquaintance:
    """Blocks."""

    def __init__(self, objects: Objects) -> None:
        self._note = objects.note(FILE)

    def remembered(self) -> tuple[str, int]:
        """Name and round as of the last time. To be asked before Redis is: what it counts then is more."""
        name, _, last = self._note.text().partition(" ")
        return name, int(last) if last.isdigit() else 0

    def since(self, identity: str, rounds: int, remembered: tuple[str, int]) -> float:
        """Seconds on the store's clock. With any other Redis than the last time, or an earlier one, it begins anew."""
        known = identity == remembered[0] and rounds > remembered[1]
        began = self._note.began() if known else math.inf
        if began == math.inf:
            log.info("files so far are kept", action="orphans.unacquainted", note=str(self._note))
        return self._note.write(f"{identity} {rounds}", began)
