"""Times as the outside sees them. The store counts milliseconds since 1970 on Redis's clock; people read RFC 3339.

There is no `now` here: what time it is, only Redis says (`Job.as_of`).
"""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

LONGEST_MOMENT: Final = 40
LATEST_MS: Final = 253_402_300_800_000
"""The year 10000, which RFC 3339 cannot name."""


@lru_cache(maxsize=1_024)  # a job object names the same moment more than once
def rfc3339(ms: int) -> str:
    """`2026-11-23T18:04:05.123Z` (RFC 3339 section 5.6)."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@lru_cache(maxsize=1_024)
def rfc3339_or_none(ms: int | None) -> str | None:
    """The same, for what may not have happened yet."""
    return None if ms is None else rfc3339(ms)


def moment_ms(value: object) -> int:
    """A moment as requests name it: RFC 3339 with an offset, or seconds since 1970. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("must be RFC 3339 with an offset, or seconds since 1970")
    try:
        if not isinstance(value, str):
            return _in_ms(float(value))
        moment = datetime.fromisoformat(value)
    except (ValueError, OverflowError):
        moment = None
    if moment is None or moment.tzinfo is None or len(str(value)) > LONGEST_MOMENT:
        raise ValueError("must be RFC 3339 with an offset, or seconds since 1970")
    return _in_ms(moment.timestamp())


def _in_ms(seconds: float) -> int:
    ms = round(seconds * 1000)
    if not 0 <= ms < LATEST_MS:
        raise ValueError("must lie between 1970 and 9999")
    return ms
