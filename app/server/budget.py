"""How many frames a WebSocket may send: a token bucket (RFC 2697 in spirit), filled as time goes by."""

from typing import Final

SECONDS_IN_A_ROW: Final = 10
"""What an idle client has saved up: enough to subscribe to everything again after a restart."""


class Budget:
    """Of one connection. Times are the loop's."""

    def __init__(self, per_second: float, now: float) -> None:
        self._per_second = per_second
        self._most = self._left = per_second * SECONDS_IN_A_ROW
        self._counted_at = now

    def takes(self, frames: int, now: float) -> bool:
        """Whether these are covered, which they use up."""
        self._left = min(self._most, self._left + (now - self._counted_at) * self._per_second) - frames
        self._counted_at = now
        return self._left >= 0
