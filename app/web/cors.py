"""What answers say to pages of other origins, for browsers to heed (CORS, Fetch standard 3.3).

`Origins` (`app/web/origins.py`) leaves it in a request's scope; `app/web/security.py` and streams send it.
"""

from typing import Final, TypeAlias

from starlette.datastructures import Headers
from starlette.types import Scope

Raw: TypeAlias = tuple[tuple[bytes, bytes], ...]

TOLD: Final = "tidings.origin"

VARY: Final = (b"vary", b"Origin")
"""That an answer depends on the origin is said to all: it may be kept for another one."""

ASKED: Final = (
    *("Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match", "If-Range", "Last-Event-ID"),
    *("Prefer", "Range", "Tus-Resumable", "Upload-Checksum", "Upload-Length", "Upload-Metadata", "Upload-Offset"),
    "X-HTTP-Method-Override",
)
"""What such a page may send beside what any page may."""

SHOWN: Final = (
    *("Accept-Ranges", "Content-Disposition", "Content-Range", "ETag", "Idempotency-Expires", "Idempotency-Replayed"),
    *("Location", "Preference-Applied", "RateLimit", "RateLimit-Policy", "Retry-After", "Tidings-Input"),
    *("Tus-Checksum-Algorithm", "Tus-Extension", "Tus-Max-Size", "Tus-Resumable", "Tus-Version", "Upload-Expires"),
    *("Upload-Length", "Upload-Metadata", "Upload-Offset", "WWW-Authenticate"),
)
"""What it may read beside what any page may."""

PREFLIGHT_SECONDS: Final = 3_600

ANYBODY: Final[Raw] = ((b"access-control-allow-origin", b"*"),)
"""For what is the same whoever asks: any page may read it, and no credential goes with that."""


def permission(origin: str) -> Raw:
    """For an origin that may use the service; its name, as `*` would not go with credentials."""
    return (
        VARY,
        (b"access-control-allow-origin", origin.encode()),
        (b"access-control-allow-credentials", b"true"),
        (b"access-control-expose-headers", ", ".join(SHOWN).encode()),
    )


def told_to_origin(scope: Scope) -> Raw:
    """Headers for the answer to this request."""
    told: Raw = scope.get(TOLD, ())
    return told


def preflight(scope: Scope, methods: str) -> dict[str, str]:
    """What OPTIONS says to a page that may, and asks before it asks."""
    if len(told_to_origin(scope)) <= 1 or "access-control-request-method" not in Headers(scope=scope):
        return {}
    return {
        "Access-Control-Allow-Methods": methods,
        "Access-Control-Allow-Headers": ", ".join(ASKED),
        "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
    }
