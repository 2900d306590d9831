"""The page and its files, as they lie in `static/`."""

import gzip
import os
from functools import lru_cache
from pathlib import Path
from typing import Final

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from app.errors import NotFound
from app.web.contract import Answer, Tag, describes
from app.web.cors import ANYBODY, TOLD
from app.web.headers import CACHE_CONTROL, ETAG, VARY
from app.web.resource import resource
from app.web.security import POLICY

PAGES: Final = Tag("Pages", "For people.")
MOST_PACKED: Final = 256
"""Files kept as they are sent."""


def page_routes(store_origin: str = "") -> list[BaseRoute]:
    """`/` and `/static/…`. The page may show what files of jobs lie at `store_origin`.

    Raises RuntimeError when the files are not there.
    """
    files = RevalidatedFiles(directory=static_dir())
    shown = f"; img-src 'self' {store_origin}; media-src 'self' {store_origin}" if store_origin else ""

    @describes(
        "page",
        PAGES,
        scope=None,
        answers=[
            Answer(200, "The page.", {"text/html": str}, [ETAG, CACHE_CONTROL, VARY]),
            Answer(304, "The browser has it.", None, [ETAG, CACHE_CONTROL, VARY]),
        ],
    )
    async def index(request: Request) -> Response:
        """The page for browsers: submit jobs, and watch them."""
        response = await files.get_response("index.html", request.scope)
        response.headers["Content-Security-Policy"] = POLICY + shown
        return response

    async def static(request: Request) -> Response:
        request.scope[TOLD] = ANYBODY  # the client and the elements are for pages of other sites, too
        return await files.get_response(request.path_params["path"], request.scope)

    return [resource("/", get=index), resource("/static/{path:path}", get=static, public=True)]


class RevalidatedFiles(StaticFiles):
    """Files without a version in their name: a browser asks each time, and is told 304. Each has one URL."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        if path != os.path.normpath(path):
            raise NotFound
        try:
            return await super().get_response(path, scope)
        except HTTPException:
            raise NotFound from None

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["Cache-Control"] = "no-cache"
        response.headers["Vary"] = "Accept-Encoding"
        if "gzip" not in Headers(scope=scope).get("accept-encoding", ""):
            return response
        # In another coding, so the tag promises no more than that it means the same; a 304 has the tag of its 200.
        response.headers["etag"] = f"W/{response.headers['etag']}"
        if isinstance(response, FileResponse):
            return _packed(response, packed(str(full_path), stat_result.st_mtime_ns))
        return response


@lru_cache(MOST_PACKED)
def packed(path: str, _changed_ns: int) -> bytes:
    """A file as it is sent: there is no build that would have made it small."""
    return gzip.compress(Path(path).read_bytes(), mtime=0)


def _packed(response: FileResponse, body: bytes) -> Response:
    headers = dict(response.headers) | {"content-encoding": "gzip"}
    del headers["content-length"], headers["accept-ranges"]
    return Response(body, response.status_code, headers)


def static_dir() -> Path:
    """Inside the package when installed from a wheel, beside it in a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "static"
    return installed if installed.is_dir() else package.parent / "static"
