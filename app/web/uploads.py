"""The door for files: a body of any size to disk in bounded memory, and not a byte left when it does not come whole."""

import asyncio
import mimetypes
from contextlib import suppress
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from typing_extensions import TypedDict

from app.artifacts import FileStore
from app.auth import Scope, principal_of
from app.clock import rfc3339
from app.errors import BadRequest, StorageFull, Unavailable, UnsupportedMediaType, UploadTooFast, UploadTooLarge
from app.intake.incoming import IncomingFile
from app.intake.reception import Reception
from app.settings import Settings
from app.shapes.shape import Moment, shape
from app.store import Upload
from app.store.uploads import new_upload_id
from app.web.answer import JsonAnswer
from app.web.body import Bodies
from app.web.contract import Answer, Tag, describes
from app.web.resource import resource

LONGEST_NAME: Final = 255
LONGEST_MEDIA_TYPE: Final = 200

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

    def __init__(self, settings: Settings, files: FileStore, reception: Reception) -> None:
        self._most_bytes = settings.max_upload_bytes
        self._bodies = Bodies(settings)
        self._files = files
        self._reception = reception

    def routes(self) -> list[BaseRoute]:
        return [resource("/api/uploads/{name:path}", put=self.put)]

    @describes(
        "put_upload",
        UPLOADS,
        scope=Scope.SUBMIT,
        narrowed=True,
        body={"*/*": bytes},
        body_optional=True,
        answers=[Answer(201, "Taken in.", UploadObject)],
        refuses=[UploadTooLarge, UnsupportedMediaType, UploadTooFast, Unavailable, StorageFull],
    )
    async def put(self, request: Request) -> Response:
        """Upload a file.

        201 with what to say as `input` in params.
        """
        name = named(request.path_params["name"], parameter="name")
        content_type = media_type(request.headers.get("content-type", ""), name)
        principal = principal_of(request)
        await self._reception.expect(principal.owner, principal.upload_rate)
        with self._reception.admitted(principal.owner):
            incoming = IncomingFile(self._files, new_upload_id())
            try:
                await self._receive(request, incoming)
                upload = await self._reception.make_upload(
                    incoming,
                    owner=principal.owner,
                    name=name,
                    content_type=content_type,
                    single=principal.single,
                )
            except BaseException:
                await self._discard(incoming)
                raise
        return JsonAnswer(_shown(upload), 201)

    async def _discard(self, incoming: IncomingFile) -> None:
        if not incoming.kept:
            return incoming.discard()
        with suppress(OSError):  # the store is away: it is an orphan there
            await self._files.transfers.run(incoming.discard)

    async def _receive(self, request: Request, incoming: IncomingFile) -> None:
        async for batch in self._bodies.batches(request, self._most_bytes, UploadTooLarge):
            await asyncio.to_thread(incoming.write, batch)


def named(name: str, **where: Any) -> str:
    """What the client calls the file; kept, and never part of a path. Raises BadRequest with members that say where."""
    if not (0 < len(name) <= LONGEST_NAME and name.isprintable() and "/" not in name):
        raise BadRequest(f"A file's name has 1 to {LONGEST_NAME} printable characters and no slash.", **where)
    return name


def media_type(said: str, name: str) -> str:
    """What the client says that it is, or else what its name says."""
    return said[:LONGEST_MEDIA_TYPE] or mimetypes.guess_type(name)[0] or "application/octet-stream"


def _shown(upload: Upload) -> UploadObject:
    return {
        "upload_id": upload.upload_id,
        "input": f"upload:{upload.upload_id}",
        "name": upload.name,
        "size": upload.size,
        "sha256": upload.sha256,
        "expires_at": rfc3339(upload.expires_at),
    }
