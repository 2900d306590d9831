"""Sending a stored file, in ranges and revalidated by its hash, or to where it lies; it is never run as a page."""

import asyncio
import os
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Literal
from urllib.parse import quote

from starlette.requests import HTTPConnection, Request
from starlette.responses import FileResponse, MalformedRangeHeader, RedirectResponse, Response
from starlette.responses import RangeNotSatisfiable as Unsatisfiable
from starlette.types import Receive, Scope, Send

from app.artifacts import FileStore, artifact_key
from app.errors import BadRequest, RangeNotSatisfiable, Unavailable
from app.jobs import Artifact
from app.web.contract import Parameter
from app.web.negotiation import has_current
from app.web.problems import problem_response
from app.web.query import parameters
from app.web.security import secured

PRIVATE: Final = "private, no-cache"
INERT: Final = "sandbox; default-src 'none'; frame-ancestors 'none'"
"""Should a browser show the file as a document after all: no script, no origin, nothing loaded."""

PLAYER: Final = (
    "sandbox allow-same-origin; default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; "
    "frame-ancestors 'none'"
)
"""Still no script; the style is the browser's own. A player of no origin would be refused the file it is to play."""

PLAYLIST: Final = "application/vnd.apple.mpegurl"
"""Names other artifacts relative to where it is found itself, so nobody is sent elsewhere for it."""
MOST_PLAYLIST_BYTES: Final = 4 << 20

ASKED: Final = Parameter(
    "disposition",
    "`attachment`: to be saved, whatever it is. Else a browser shows pictures, sound and video.",
    Literal["attachment"],
)

UNKNOWN_TYPE: Final = "application/octet-stream"

_MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+(; *[\w.+-]+=[\w.+-]+)*", re.ASCII)
_PLAYABLE = re.compile(r"(video|audio|image(?!/svg))/", re.IGNORECASE)


def to_be_saved(request: Request) -> bool:
    """Whether the client asks for that. Raises BadRequest."""
    asked = parameters(request, once={ASKED.name}).get(ASKED.name)
    if asked not in (None, "attachment"):
        raise BadRequest("Send `disposition=attachment`, or leave it out.", parameter=ASKED.name)
    return asked is not None


async def download(
    request: Request, artifact: Artifact, files: FileStore, now_ms: int, *, saved: bool
) -> Response | None:
    """The file, a part of it, or 304; 303 where it lies in S3 and is no playlist. None when it is gone."""
    media_type = artifact.content_type if _MEDIA_TYPE.fullmatch(artifact.content_type) else UNKNOWN_TYPE
    playable = _PLAYABLE.match(media_type) is not None
    disposition = _disposition("inline" if playable and not saved else "attachment", artifact.name)
    answer = {"content-type": media_type, "content-disposition": disposition}
    link = files.link(artifact, request.method, answer, now_ms)
    if link and not (media_type == PLAYLIST and artifact.size <= MOST_PLAYLIST_BYTES):
        return RedirectResponse(link, 303, {"Cache-Control": "no-store"})
    headers = {
        "Content-Disposition": disposition,
        "ETag": f'"{artifact.sha256}"',
        "Cache-Control": PRIVATE,
        "Content-Security-Policy": PLAYER if playable else INERT,
        "X-Content-Type-Options": "nosniff",
    }
    path = files.artifact(artifact.key)
    try:
        playlist = await _playlist(files, artifact) if link else b""
        stat = None if link else await asyncio.to_thread(os.stat, path)
    except FileNotFoundError:
        return None
    if has_current(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    if link:
        return Response(playlist, headers=headers, media_type=media_type)
    return Download(path, headers=headers, media_type=media_type, stat_result=stat)


async def _playlist(files: FileStore, artifact: Artifact) -> bytes:
    """What it says, from S3. Raises FileNotFoundError, and Unavailable when S3 is away."""
    with TemporaryDirectory(prefix="tidings-") as folder:
        path = Path(folder) / "playlist"
        try:
            await files.transfers.run(files.fetch, artifact_key(artifact.key), path)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise Unavailable("The store of files cannot be reached.", headers={"Retry-After": "2"}) from error
        return path.read_bytes()


def _disposition(type_: str, name: str) -> str:
    """RFC 6266, with RFC 8187 for names that need it."""
    quoted = quote(name, safe="")
    return f'{type_}; filename="{name}"' if quoted == name else f"{type_}; filename*=utf-8''{quoted}"


class Download(FileResponse):
    """Starlette's, with the two refusals of its range parser as RFC 9110 section 14.2 and our problems have them."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except RangeNotSatisfiable as refusal:
            await secured(problem_response(refusal, HTTPConnection(scope)), scope)(scope, receive, send)

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
