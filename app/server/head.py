"""What the head of a request must be before any door sees it (RFC 9112). Called by `app/server.py` for each request.

Whoever is in doubt about a head here may be one of two who read it differently, so such a request ends its connection.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

from app.errors import BadRequest, TargetTooLong, UnknownTransferCoding

MOST_TARGET_BYTES: Final = 16 << 10
"""RFC 9112 section 3 asks for 8,000 at least."""

VERSIONS: Final = ("1.0", "1.1")

SINGLE: Final = (
    *("Authorization", "Content-Length", "Content-Type", "Host", "Idempotency-Key", "If-Range"),
    *("Last-Event-ID", "Origin", "Range", "Transfer-Encoding"),
)
"""Fields that are no lists: sent twice, each reader could believe another one (RFC 9110 section 5.3)."""

_HOST = re.compile(rb"([\w.~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*(:\d*)?|\[[0-9A-Fa-f:.]+\](:\d*)?", re.ASCII)
_BROKEN_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def check_head(version: str, target: bytes, headers: Sequence[tuple[bytes, bytes]]) -> None:
    """Raises BadRequest or UnknownTransferCoding. Names of headers are lower-case."""
    if version not in VERSIONS:
        raise BadRequest("Speak HTTP/1.1 or HTTP/1.0.")
    fields = dict(headers)
    if len(fields) < len(headers):
        _check_repeated([name for name, _ in headers])
    host = fields.get(b"host")
    if not (version == "1.0" if host is None else _is_host(host)):
        raise BadRequest("Send one Host: the name and port that the URL has (RFC 9112 section 3.2).", header="Host")
    coding = fields.get(b"transfer-encoding")
    if coding is not None and coding.strip().lower() != b"chunked":
        raise UnknownTransferCoding("Of transfer codings there is `chunked` alone.", header="Transfer-Encoding")
    if b"%" in target:
        _check_escapes(target)


def check_target_length(length: int) -> None:
    """So far. Raises TargetTooLong."""
    if length > MOST_TARGET_BYTES:
        raise TargetTooLong(f"The most is {MOST_TARGET_BYTES} bytes.", max_bytes=MOST_TARGET_BYTES)


@lru_cache(maxsize=64)  # most requests name the same
def _is_host(host: bytes) -> bool:
    return _HOST.fullmatch(host) is not None


def _check_repeated(names: Sequence[bytes]) -> None:
    for name in SINGLE:
        if names.count(name.lower().encode()) > 1:
            raise BadRequest(f"Send {name} once.", header=name)


def _check_escapes(target: bytes) -> None:
    path, _, query = target.partition(b"?")
    if not _decodes(path):
        raise BadRequest("In the path each % needs two hex digits behind it, and what they say must be UTF-8.")
    for pair in query.split(b"&"):
        if not _decodes(pair):
            name = unquote(pair.partition(b"=")[0].decode("latin-1"))
            raise BadRequest(
                f"In `{name}` each % needs two hex digits behind it, and what they say must be UTF-8.", parameter=name
            )


def _decodes(text: bytes) -> bool:
    if _BROKEN_ESCAPE.search(text):
        return False
    try:
        unquote(text, errors="strict")
    except UnicodeDecodeError:
        return False
    return True
