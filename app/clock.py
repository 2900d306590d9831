"""Times as the outside sees them. The store counts milliseconds since 1970 on Redis's clock; people read RFC 3339.

There is no `now` here: what time it is, only Redis says (`Job.as_of`).
"""

from datetime import UTC, datetime


def rfc3339(ms: int) -> str:
    """`2026-11-23T18:04:05.123Z` (RFC 3339 section 5.6)."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def rfc3339_or_none(ms: int | None) -> str | None:
    """The same, for what may not have happened yet."""
    return None if ms is None else rfc3339(ms)
