"""Answers with a JSON body, written by the same encoder as the events."""

from typing import Any

from starlette.responses import Response

from app.events import json_bytes


class JsonAnswer(Response):
    """Content is anything JSON can say."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return json_bytes(content)
