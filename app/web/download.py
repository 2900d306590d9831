"""Sending a stored file: in ranges, revalidated by its hash, and never able to run as a page of ours."""

import asyncio
import os
import re
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import FileResponse, MalformedRangeHeader, Response
from starlette.responses import RangeNotSatisfiable as Unsatisfiable

from app.errors import RangeNotSatisfiable
from app.jobs import Artifact
from app.web.negotiation import has_current

PRIVATE: Final = "private, no-cache"
INERT: Final = "sandbox; default-src 'none'"
"""Should a browser show the file as a document after all: no script, no origin, nothing loaded."""

PLAYER: Final = (
    "sandbox allow-same-origin; default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'"
)
"""Still no script. A player of no origin would be refused the file it is to play."""

UNKNOWN_TYPE: Final = "application/octet-stream"

_MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+(; *[\w.+-]+=[\w.+-]+)*", re.ASCII)
_PLAYABLE = re.compile(r"(video|audio|image(?!/svg))/", re.IGNORECASE)


async def download(request: Request, artifact: Artifact, path: Path) -> Response | None:
    """The file, a part of it, or 304; None when it is not there any more."""
    try:
        stat = await asyncio.to_thread(os.stat, path)
    except FileNotFoundError:
        return None
    media_type = artifact.content_type if _MEDIA_TYPE.fullmatch(artifact.content_type) else UNKNOWN_TYPE
    playable = _PLAYABLE.match(media_type)
    headers = {
        "ETag": f'"{artifact.sha256}"',
        "Cache-Control": PRIVATE,
        "Content-Security-Policy": PLAYER if playable else INERT,
        "X-Content-Type-Options": "nosniff",
    }
    if has_current(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Download(
        path,
        headers=headers,
        media_type=media_type,
        filename=artifact.name,
        stat_result=stat,
        content_disposition_type="inline" if playable else "attachment",
    )


class Download(FileResponse):
    """Starlette's, with the two refusals of its range parser as RFC 9110 section 14.2 and our problems have them."""

    @classmethod
    def _parse_range_header(cls, http_range: str, file_size: int) -> list[tuple[int, int]]:
        try:
            return super()._parse_range_header(http_range, file_size)
        except MalformedRangeHeader:
            return []  # what is not understood is ignored, and the whole file sent
        except Unsatisfiable:
            headers = {"Content-Range": f"bytes */{file_size}"}
            detail = f"The file has {file_size} bytes."
            raise RangeNotSatisfiable(detail, headers=headers, header="Range") from None
