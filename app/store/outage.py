"""Whether Redis was away just now. While it is, no worker can renew a lease: those that ran out say nothing of it.

Kept by `app/store/scripts.py`, heeded where the store settles what is overdue.
"""

import math
import time
from typing import Final

from redis.exceptions import ConnectionError, TimeoutError

PATIENCE_SECONDS: Final = 6.0
"""For every worker to find that Redis is back; they try at least every five seconds."""


class Outage:
    """As one process sees it, by its own calls."""

    def __init__(self) -> None:
        self._lasts = False
        self._ended_at = -math.inf

    def failed(self, cause: BaseException | None) -> None:
        """A call got no answer. A refusal by Redis is one."""
        self._lasts = self._lasts or isinstance(cause, ConnectionError | TimeoutError | OSError)

    def answered(self) -> None:
        """A call was answered."""
        if self._lasts:
            self._lasts, self._ended_at = False, time.monotonic()

    @property
    def recent(self) -> bool:
        """Whether it lasts, or ended too short a time ago for everybody to be back."""
        return self._lasts or time.monotonic() - self._ended_at < PATIENCE_SECONDS
