"""When a webhook that was not taken is sent again, or that it is given up. Used by `sender.py`.

The delays are those that Standard Webhooks recommends: seconds for a restart, hours for a night without anybody.
"""

import random
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final

SECOND_MS: Final = 1_000
MINUTE_MS: Final = 60 * SECOND_MS
HOUR_MS: Final = 60 * MINUTE_MS

DELAYS_MS: Final = (
    5 * SECOND_MS,
    5 * MINUTE_MS,
    30 * MINUTE_MS,
    *(hours * HOUR_MS for hours in (2, 5, 10, 14, 20, 24)),
)
"""After the first attempt, the second, …; after one more it is given up."""
JITTER: Final = 0.1
"""Of a delay, each way: what failed together does not come together again."""
LONGEST_WISH_MS: Final = 24 * HOUR_MS


@dataclass(frozen=True, slots=True)
class Schedule:
    """`scale` stretches or shrinks all delays, for tests and for the impatient."""

    scale: float = 1.0

    def delay_ms(self, attempt: int, wished_ms: int = 0) -> int | None:
        """Until the one after that attempt, and not before the receiver wishes. None: there is none."""
        if attempt > len(DELAYS_MS):
            return None
        spread = random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311  keeps no secret
        return max(round(DELAYS_MS[attempt - 1] * self.scale * spread), wished_ms)


def wished_ms(retry_after: str, date: str, now_ms: int) -> int:
    """What `Retry-After` asks for, at most a day; 0 where it says nothing (RFC 9110, 10.2.3).

    It may be a moment by the receiver's clock, which its `Date` tells; without one we go by ours.
    """
    if retry_after.isascii() and retry_after.isdigit():
        wish = int(retry_after[:9]) * SECOND_MS
    elif (then := _moment_ms(retry_after)) is not None:
        sent = _moment_ms(date)
        wish = then - (now_ms if sent is None else sent)
    else:
        return 0
    return min(max(wish, 0), LONGEST_WISH_MS)


def _moment_ms(text: str) -> int | None:
    try:
        return round(parsedate_to_datetime(text).timestamp() * SECOND_MS)
    except (ValueError, OverflowError):
        return None
