"""Times as the outside sees them. The store counts milliseconds since 1970 on Redis's clock; people read RFC 3339."""

import time
from datetime import UTC, datetime


def now_ms() -> int:
    """This host's clock, for what may be off by the hosts' differences: hints, and the age of caches and files."""
    return time.time_ns() // 1_000_000


def rfc3339(ms: int) -> str:
    """`2026-11-23T18:04:05.123Z` (RFC 3339 section 5.6)."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def rfc3339_or_none(ms: int | None) -> str | None:
    """The same, for what may not have happened yet."""
    return None if ms is None else rfc3339(ms)
