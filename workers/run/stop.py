"""Whether a run is to stop, and why. Asked on the loop (`workers/run/execution.py`), seen from the handler's thread."""

from enum import IntEnum

from workers.outcomes import Cancelled


class Reason(IntEnum):
    """A stronger reason replaces a weaker one."""

    INTERRUPTED = 1
    #: The worker shuts down in order: the job goes back to its queue.
    TIMEOUT = 2
    #: The attempt took too long.
    CANCELLED = 3
    #: Somebody asked for its end.
    LOST = 4
    #: The lease is another's: nothing more is written.


class Stop:
    """One run's."""

    def __init__(self) -> None:
        self.reason: Reason | None = None
        self._untold = False

    def ask(self, reason: Reason) -> bool:
        """Whether that is news to the handler."""
        if self.reason is not None and reason <= self.reason:
            return False
        self.reason, self._untold = reason, True
        return True

    def check(self) -> None:
        """Raises Cancelled from the moment the run is to stop."""
        if self.reason is not None:
            raise Cancelled

    def tell(self) -> None:
        """Raises Cancelled once for each news, so that what a handler does to clean up may go on to log."""
        if self._untold:
            self._untold = False
            raise Cancelled

    @property
    def untold(self) -> bool:
        """Whether `tell` would raise."""
        return self._untold
