"""The door for files: a body of any size to disk in bounded memory, and not a byte left when it does not come whole."""

import asyncio
import mimetypes
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from typing_extensions import TypedDict

from app.artifacts import FileStore
from app.auth import owner_of
from app.clock import rfc3339
from app.errors import BadRequest, StorageFull, Unavailable, UnsupportedMediaType, UploadTooLarge
from app.intake.incoming import IncomingFile
from app.settings import Settings
from app.shapes.shape import Moment, shape
from app.store import Upload, UploadStore
from app.store.uploads import new_upload_id
from app.web.answer import JsonAnswer
from app.web.body import Bodies
from app.web.contract import Answer, Tag, describes
from app.web.resource import resource

BATCH_BYTES: Final = 1 << 20
LONGEST_NAME: Final = 255

MOST_AT_ONCE: Final = 64
"""Uploads one process takes in at a time; each holds a batch in memory."""


UPLOADS: Final = Tag("Uploads", "Files for jobs to work on.")


@shape
class UploadObject(TypedDict):
    """A file that has been taken in."""

    upload_id: str
    input: str
    """What to say for it in params."""
    name: str
    size: int
    """Bytes."""
    sha256: str
    expires_at: Moment


class UploadDoors:
    """`PUT /api/uploads/{name}`."""

    def __init__(self, settings: Settings, files: FileStore, uploads: UploadStore) -> None:
        self._most_bytes = settings.max_upload_bytes
        self._bodies = Bodies(settings)
        self._files = files
        self._uploads = uploads
        self._receiving = 0

    def routes(self) -> list[BaseRoute]:
        return [resource("/api/uploads/{name:path}", put=self.put)]

    @describes(
        "put_upload",
        UPLOADS,
        body={"*/*": bytes},
        body_optional=True,
        answers=[Answer(201, "Taken in.", UploadObject)],
        refuses=[UploadTooLarge, UnsupportedMediaType, Unavailable, StorageFull],
    )
    async def put(self, request: Request) -> Response:
        """Upload a file.

        201 with what to say as `input` in params.
        """
        name = _name(request)
        with self._admitted():
            incoming = IncomingFile(self._files, new_upload_id())
            try:
                await self._receive(request, incoming)
                await self._files.transfers.run(incoming.keep)
                upload = self._described(request, name, incoming, await self._uploads.expiry())
                await self._uploads.add(upload)
            except BaseException:
                await self._discard(incoming)
                raise
        return JsonAnswer(_shown(upload), 201)

    async def _discard(self, incoming: IncomingFile) -> None:
        if not incoming.kept:
            return incoming.discard()
        with suppress(OSError):  # the store is away: it is an orphan there
            await self._files.transfers.run(incoming.discard)

    @contextmanager
    def _admitted(self) -> Iterator[None]:
        if self._receiving >= MOST_AT_ONCE:
            raise Unavailable(f"{MOST_AT_ONCE} uploads are coming in already.", headers={"Retry-After": "5"})
        self._receiving += 1
        try:
            yield
        finally:
            self._receiving -= 1

    async def _receive(self, request: Request, incoming: IncomingFile) -> None:
        batch = bytearray()
        async for chunk in self._bodies.chunks(request, self._most_bytes, UploadTooLarge):
            batch += chunk
            if len(batch) >= BATCH_BYTES:
                await asyncio.to_thread(incoming.write, batch)
                batch = bytearray()
        await asyncio.to_thread(incoming.write, batch)

    def _described(self, request: Request, name: str, incoming: IncomingFile, expires_at: int) -> Upload:
        content_type = request.headers.get("content-type", "")[:200]
        return Upload(
            upload_id=incoming.upload_id,
            owner=owner_of(request),
            name=name,
            size=incoming.size,
            sha256=incoming.sha256,
            content_type=content_type or mimetypes.guess_type(name)[0] or "application/octet-stream",
            expires_at=expires_at,
        )


def _name(request: Request) -> str:
    """What the client calls the file; kept, and never part of a path."""
    name: str = request.path_params["name"]
    if not (0 < len(name) <= LONGEST_NAME and name.isprintable() and "/" not in name):
        raise BadRequest(f"A file's name has 1 to {LONGEST_NAME} printable characters and no slash.", parameter="name")
    return name


def _shown(upload: Upload) -> UploadObject:
    return {
        "upload_id": upload.upload_id,
        "input": f"upload:{upload.upload_id}",
        "name": upload.name,
        "size": upload.size,
        "sha256": upload.sha256,
        "expires_at": rfc3339(upload.expires_at),
    }
