"""A refusal as bytes, for connections that no door has: what `app/web/problems.py` is for the doors."""

from collections.abc import Iterable

from pydantic_core import to_json
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from app.errors import Refusal


def answer(refusal: Refusal, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The whole response, after which its connection ends. `headers` are the server's own."""
    body = to_json(refusal.problem())
    fields = [
        *headers,
        *((name.lower().encode(), value.encode()) for name, value in refusal.headers.items()),
        (b"content-type", b"application/problem+json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        (b"connection", b"close"),
    ]
    return b"".join([STATUS_LINE[refusal.status], *(b"%s: %s\r\n" % field for field in fields), b"\r\n", body])
