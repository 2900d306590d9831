"""Headers that keep a browser from being used against its user, on every answer but a 304."""

from typing import Final

from starlette.responses import Response
from starlette.types import Scope

from app.web.cors import told_to_origin

POLICY: Final = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"

NOT_MODIFIED: Final = 304

HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"content-security-policy", POLICY.encode()),
)


def secured(response: Response, scope: Scope) -> Response:
    """The same answer with these headers; a door that has set one of them itself has its way. To a 304 belong those of
    the answer that the client has (RFC 9111 section 4.3.4), and they would be a tenth of what a poll costs."""
    if response.status_code != NOT_MODIFIED:
        set_by_door = dict(response.raw_headers)
        response.raw_headers += [header for header in HEADERS if header[0] not in set_by_door]
    response.raw_headers += told_to_origin(scope)
    return response
