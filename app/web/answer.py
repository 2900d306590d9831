"""Answers with a JSON body, written by the same encoder as the events; and those without, as the client has it."""

from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import Response

from app.events import json_bytes
from app.web.fields import raw

CONTENT_TYPE: Final = (b"content-type", b"application/json")


class JsonAnswer(Response):
    """Content is anything JSON can say."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return json_bytes(content)

    def init_headers(self, headers: Mapping[str, str] | None = None) -> None:
        """Starlette looks first whether a door has set one of these two; none of ours does."""
        length = b"content-length", b"%d" % len(self.body)
        self.raw_headers = [*_raw_headers(headers), length, CONTENT_TYPE]


class NotModified(Response):
    """304 (RFC 9110 section 15.4.5)."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__(status_code=304, headers=headers)

    def init_headers(self, headers: Mapping[str, str] | None = None) -> None:
        """As there is no body, nothing is said of one."""
        self.raw_headers = _raw_headers(headers)


def _raw_headers(headers: Mapping[str, str] | None) -> list[tuple[bytes, bytes]]:
    return [(raw(name), value.encode("latin-1")) for name, value in (headers or {}).items()]
