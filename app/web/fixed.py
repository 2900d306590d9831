"""An answer that stays the same while the process runs: made at the first request, then kept, and revalidated."""

import asyncio
import hashlib
from collections.abc import Callable
from functools import cache

from starlette.requests import Request
from starlette.responses import Response

from app.web.answer import NotModified
from app.web.negotiation import has_current


class Fixed:
    """`make` is called once or, should many ask for it at first, a few times; off the loop, as it may take a while."""

    def __init__(self, media_type: str, make: Callable[[], str]) -> None:
        self._media_type = media_type
        self._make = cache(lambda: make().encode())

    async def answer(self, request: Request) -> Response:
        """200, or 304 for who has it."""
        content = await asyncio.to_thread(self._make)
        etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        headers = {"ETag": etag, "Cache-Control": "no-cache"}
        if has_current(request, etag):
            return NotModified(headers)
        return Response(content, media_type=self._media_type, headers=headers)
