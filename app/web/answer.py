"""Answers with a JSON body, written by the same encoder as the events."""

from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import Response

from app.events import json_bytes

CONTENT_TYPE: Final = (b"content-type", b"application/json")


class JsonAnswer(Response):
    """Content is anything JSON can say."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return json_bytes(content)

    def init_headers(self, headers: Mapping[str, str] | None = None) -> None:
        """Starlette looks first whether a door has set one of these two; none of ours does."""
        given = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in (headers or {}).items()]
        self.raw_headers = [*given, (b"content-length", b"%d" % len(self.body)), CONTENT_TYPE]
