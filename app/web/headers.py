"""The headers of answers that the description names, each described once."""

from typing import Annotated, Final

from pydantic import Field

from app.shapes.shape import Moment
from app.web.contract import Header

UriReference = Annotated[str, Field(json_schema_extra={"format": "uri-reference"})]

LOCATION: Final = Header("Location", "The job.", UriReference)
SIGNED_LOCATION: Final = Header("Location", "The file, for whoever has this link.", UriReference)
RETRY_AFTER: Final = Header("Retry-After", "Seconds until asking again is worth it.", Annotated[int, Field(ge=0)])
ETAG: Final = Header("ETag", "The entity tag, for `If-None-Match` (RFC 9110 section 8.8.3).")
CACHE_CONTROL: Final = Header("Cache-Control", "How long, and by whom, the answer may be kept.")
VARY: Final = Header("Vary", "The request headers the form depends on.")
REPLAYED: Final = Header("Idempotency-Replayed", "`true` where the key's earlier job is answered.")
KEY_EXPIRES: Final = Header("Idempotency-Expires", "Until when the key is remembered.", Moment)
APPLIED: Final = Header("Preference-Applied", "What of `Prefer` was honoured (RFC 7240 section 3).")
RATE_LIMIT: Final = Header("RateLimit", "What is left of the quota, and when there is more of it.")
RATE_LIMIT_POLICY: Final = Header("RateLimit-Policy", "The quota.")
QUOTA: Final = (RATE_LIMIT, RATE_LIMIT_POLICY)
BUFFERING: Final = Header("X-Accel-Buffering", "`no`: a proxy in between is to pass bytes on at once.")
DISPOSITION: Final = Header("Content-Disposition", "The file's name, and whether a browser may show it.")
RANGES: Final = Header("Accept-Ranges", "`bytes`: parts can be asked for by `Range`.")
CONTENT_RANGE: Final = Header("Content-Range", "Which part this is, and the size of the whole.")
ALLOW: Final = Header("Allow", "The methods there are.")
ACCEPT: Final = Header("Accept", "The media type taken here.")
AUTHENTICATE: Final = Header("WWW-Authenticate", "How to say who is asking (RFC 6750 section 3).")
TUS_VERSION: Final = Header("Tus-Version", "The versions of tus spoken here.")

OF_REFUSALS: Final = {
    header.name: header for header in (RETRY_AFTER, CONTENT_RANGE, ALLOW, ACCEPT, AUTHENTICATE, TUS_VERSION, *QUOTA)
}
"""Those that `Refusal.sends` may name."""
