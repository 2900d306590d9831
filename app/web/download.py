"""Sending a stored file, in ranges and revalidated by its hash, or to where it lies; it is never run as a page."""

import asyncio
import os
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Literal, TypeAlias, get_args
from urllib.parse import quote

from starlette.requests import HTTPConnection, Request
from starlette.responses import FileResponse, MalformedRangeHeader, RedirectResponse, Response
from starlette.responses import RangeNotSatisfiable as Unsatisfiable
from starlette.types import Receive, Scope, Send

from app.artifacts import FileStore, artifact_key
from app.errors import BadRequest, RangeNotSatisfiable, Unavailable
from app.jobs import Artifact
from app.web.answer import NotModified
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
MOST_PASSED_BYTES: Final = 4 << 20
"""Of a file in S3 that we send ourselves: a playlist, or a page for a frame, whose policy S3 would not tell."""

FRAMED: Final = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; frame-ancestors 'self'"
)
"""A page of a job inside a frame of ours: of no origin, without script, forms and anything loaded."""

Disposition: TypeAlias = Literal["attachment", "frame"]

ASKED: Final = Parameter(
    "disposition",
    "`attachment`: to be saved, whatever it is. `frame`: HTML is shown, where a frame of our page asks for it. Else "
    "a browser shows pictures, sound and video.",
    Disposition,
)

UNKNOWN_TYPE: Final = "application/octet-stream"

_MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+(; *[\w.+-]+=[\w.+-]+)*", re.ASCII)
_PAGE = re.compile(r"text/html\b", re.IGNORECASE)
_PLAYABLE = re.compile(r"(video|audio|image(?!/svg))/", re.IGNORECASE)


def asked_disposition(request: Request) -> Disposition | None:
    """What the client asks for; a frame only where its browser says that there is one. Raises BadRequest."""
    asked = parameters(request, once={ASKED.name}).get(ASKED.name)
    match asked:
        case None | "attachment":
            return asked
        case "frame":
            return "frame" if request.headers.get("sec-fetch-dest") == "iframe" else None
    raise BadRequest(f"`disposition` may be {' or '.join(get_args(Disposition))}.", parameter=ASKED.name)


async def download(
    request: Request, artifact: Artifact, files: FileStore, now_ms: int, *, asked: Disposition | None
) -> Response | None:
    """The file, a part of it, or 304; 303 where it lies in S3 and is not sent by us. None when it is gone."""
    media_type = artifact.content_type if _MEDIA_TYPE.fullmatch(artifact.content_type) else UNKNOWN_TYPE
    policy = _policy(media_type, framed=asked == "frame")
    shown = policy is not INERT and asked != "attachment"
    disposition = _disposition("inline" if shown else "attachment", artifact.name)
    answer = {"content-type": media_type, "content-disposition": disposition}
    link = files.link(artifact, request.method, answer, now_ms)
    ours = media_type == PLAYLIST or policy is FRAMED
    if link and not (ours and artifact.size <= MOST_PASSED_BYTES):
        return RedirectResponse(link, 303, {"Cache-Control": "no-store"})
    headers = {
        "Content-Disposition": disposition,
        "ETag": f'"{artifact.sha256}"',
        "Cache-Control": PRIVATE,
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
    }
    path = files.artifact(artifact.key)
    try:
        passed = await _passed(files, artifact) if link else b""
        stat = None if link else await asyncio.to_thread(os.stat, path)
    except FileNotFoundError:
        return None
    if has_current(request, headers["ETag"]):
        return NotModified(headers)
    if link:
        return Response(passed, headers=headers, media_type=media_type)
    return Download(path, headers=headers, media_type=media_type, stat_result=stat)


async def _passed(files: FileStore, artifact: Artifact) -> bytes:
    """What it says, from S3. Raises FileNotFoundError, and Unavailable when S3 is away."""
    with TemporaryDirectory(prefix="tidings-") as folder:
        path = Path(folder) / "file"
        try:
            await files.transfers.run(files.fetch, artifact_key(artifact.key), path)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise Unavailable("The store of files cannot be reached.", headers={"Retry-After": "2"}) from error
        return path.read_bytes()


def _policy(media_type: str, *, framed: bool) -> str:
    if _PLAYABLE.match(media_type):
        return PLAYER
    return FRAMED if framed and _PAGE.match(media_type) else INERT


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
