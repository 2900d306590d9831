"""What a client may ask, and how it is told (IETF draft "RateLimit header fields for HTTP"). Counted in the scripts.

Used by the store, which brings an allowance with its answers, and by the doors, which send it on.
"""

from dataclasses import dataclass
from math import ceil

POLL = "poll"
SUBMIT = "submit"


@dataclass(slots=True)  # not frozen, as one is made for each request (`app/jobs.py`)
class Allowance:
    """How a quota stands after a request: `most` in `window_seconds`, `left` of it, one more in `next_ms`."""

    policy: str
    most: int
    window_seconds: int
    left: int
    next_ms: int

    @property
    def next_seconds(self) -> int:
        """Whole seconds until one more is to be had, at least one."""
        return max(1, ceil(self.next_ms / 1000))

    @property
    def headers(self) -> dict[str, str]:
        """`RateLimit-Policy` and `RateLimit`."""
        return {
            "RateLimit-Policy": f'"{self.policy}";q={self.most};w={self.window_seconds}',
            "RateLimit": f'"{self.policy}";r={self.left};t={self.next_seconds}',
        }


@dataclass(frozen=True, slots=True)
class Admission:
    """How many submissions an owner may send, how many jobs may not have ended, of one owner and of all, and how far
    ahead one may be due."""

    submits_per_minute: int = 300_000
    most_live_per_owner: int = 100_000
    most_live: int = 1_000_000
    longest_delay_ms: int = 366 * 86_400_000

    def submits(self, left: int, next_ms: int) -> Allowance:
        """How the quota of submissions stands."""
        return Allowance(SUBMIT, self.submits_per_minute, 60, left, next_ms)


@dataclass(frozen=True, slots=True)
class Shares:
    """How workers share their slots among owners, in each queue. 0 sets no limit."""

    weights: tuple[tuple[str, float], ...] = ()
    most_running_per_owner: int = 0
    starts_per_minute_per_owner: int = 0
