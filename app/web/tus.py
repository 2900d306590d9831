"""The doors for files that come in several requests: tus 1.0 (tus.io/protocols/resumable-upload), for any client of it.

Beside `PUT /api/uploads/{name}`. What has come whole is an upload like any other, of the same id.
"""

from contextlib import suppress
from typing import Annotated, Final

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from app.auth import Scope, owner_of, principal_of
from app.errors import (
    BadRequest,
    ChecksumMismatch,
    OffsetMismatch,
    Refusal,
    StorageFull,
    TooManyUnfinished,
    Unavailable,
    UnknownUpload,
    UnsupportedMediaType,
    UnsupportedTus,
    UploadBusy,
    UploadTooFast,
    UploadTooLarge,
)
from app.intake.reception import Reception
from app.intake.resumable import Checksum
from app.intake.resumption import Resumptions, Standing
from app.settings import Settings
from app.store import Unfinished
from app.store.uploads import new_upload_id
from app.web.answer import JsonAnswer
from app.web.body import Bodies, declared_length
from app.web.contract import Answer, Header, Parameter, describes
from app.web.resource import resource
from app.web.standing import (
    LENGTH,
    METADATA,
    RESUMABLE,
    STANDS,
    Count,
    UploadStanding,
    metadata_text,
    shown,
    standing_headers,
)
from app.web.tusheaders import (
    PIECE,
    SPOKEN,
    checksum_of,
    expect_piece,
    length_of,
    metadata_of,
    number,
    says_piece,
    speaking_tus,
    told,
)
from app.web.uploads import UPLOADS, media_type, named

NAMELESS: Final = "upload"
"""What a file is called whose client does not say."""


Version = Annotated[str, Field(pattern=r"^1\.0\.0$")]

PLACE: Final = Header("Location", "The upload.", Annotated[str, Field(json_schema_extra={"format": "uri-reference"})])
SPEAKS: Final = Parameter("Tus-Resumable", "The version of the protocol.", Version, where="header", required=True)
CHECKSUM: Final = Parameter("Upload-Checksum", "`sha256`, `sha1` or `md5`, and the digest in base64.", where="header")

BRINGING: Final = (
    UnknownUpload,
    UnsupportedTus,
    OffsetMismatch,
    UploadTooLarge,
    UnsupportedMediaType,
    UploadBusy,
    UploadTooFast,
    ChecksumMismatch,
    Unavailable,
    StorageFull,
)


class TusDoors:
    """`POST /api/uploads`, and each upload that was begun so."""

    def __init__(self, settings: Settings, resumptions: Resumptions, reception: Reception) -> None:
        self._base_url = settings.public_url
        self._most_bytes = min(settings.max_upload_bytes, settings.max_unfinished_bytes_per_owner)
        self._bodies = Bodies(settings)
        self._resumptions = resumptions
        self._reception = reception

    def routes(self) -> list[BaseRoute]:
        """To stand before the route of names, which would take the second for one."""
        options = told(self._most_bytes)
        return [
            resource("/api/uploads", post=self.create, told=options),
            resource(
                "/api/uploads/tus/{upload_id}",
                get=self.show,
                post=self.override,
                patch=self.bring,
                delete=self.end,
                told=options,
            ),
        ]

    @describes(
        "create_upload",
        UPLOADS,
        scope=Scope.SUBMIT,
        narrowed=True,
        parameters=[
            SPEAKS,
            Parameter("Upload-Length", "Bytes there will be.", Count, where="header", required=True),
            Parameter("Upload-Metadata", "`filename` and `filetype`, each with its value in base64.", where="header"),
            CHECKSUM,
        ],
        body={PIECE: bytes},
        body_optional=True,
        answers=[Answer(201, "Begun; ended at once when all of it came along.", None, [PLACE, *STANDS])],
        refuses=[*BRINGING, TooManyUnfinished],
    )
    async def create(self, request: Request) -> Response:
        """Begin an upload that may come in several requests (tus 1.0).

        Its first bytes may come along.
        """
        with speaking_tus(request):
            unfinished, checksum = self._described(request), checksum_of(request)
            await self._reception.expect(unfinished.owner, principal_of(request).upload_rate)
            await self._resumptions.begin(unfinished)
            try:
                standing = await self._first(request, unfinished, checksum)
            except BaseException:  # the client never learns where it is
                with suppress(Refusal):
                    await self._resumptions.end(unfinished.upload_id, unfinished.owner)
                raise
            place = {"Location": f"{self._base_url}/api/uploads/tus/{unfinished.upload_id}"}
            return Response(status_code=201, headers=place | standing_headers(standing))

    @describes(
        "show_upload",
        UPLOADS,
        scope=Scope.SUBMIT,
        narrowed=True,
        answers=[Answer(200, "How far it has come.", UploadStanding, [*STANDS, LENGTH, METADATA])],
        refuses=[UnknownUpload, UnsupportedTus, UploadBusy, Unavailable],
    )
    async def show(self, request: Request) -> Response:
        """How far an upload has come, and what it is once it is whole.

        HEAD is tus's own way to ask.
        """
        with speaking_tus(request):
            standing = await self._resumptions.look(request.path_params["upload_id"], *_by(request))
            headers = {"Upload-Length": str(standing.unfinished.length), "Upload-Metadata": metadata_text(standing)}
            return JsonAnswer(shown(standing), headers=headers | standing_headers(standing))

    @describes(
        "resume_upload",
        UPLOADS,
        scope=Scope.SUBMIT,
        narrowed=True,
        parameters=[
            SPEAKS,
            Parameter("Upload-Offset", "Where the upload stands.", Count, where="header", required=True),
            CHECKSUM,
        ],
        body={PIECE: bytes},
        answers=[Answer(204, "Taken in.", None, STANDS)],
        refuses=BRINGING,
    )
    async def bring(self, request: Request) -> Response:
        """Bring the next bytes of an upload (tus 1.0).

        What came before the request broke off stays, unless it has a checksum.
        """
        with speaking_tus(request):
            expect_piece(request)
            offset, checksum = number(request, "Upload-Offset"), checksum_of(request)
            standing = await self._take(request, request.path_params["upload_id"], offset, checksum)
            return Response(status_code=204, headers=standing_headers(standing))

    @describes(
        "end_upload",
        UPLOADS,
        scope=Scope.SUBMIT,
        narrowed=True,
        parameters=[SPEAKS],
        answers=[Answer(204, "It is gone.", None, [RESUMABLE])],
        refuses=[UnknownUpload, UnsupportedTus, UploadBusy, Unavailable],
    )
    async def end(self, request: Request) -> Response:
        """Give an upload up, whole or not (tus 1.0).

        A job that still needs it will not find it.
        """
        with speaking_tus(request):
            await self._resumptions.end(request.path_params["upload_id"], *_by(request))
            return Response(status_code=204, headers=SPOKEN)

    @describes(
        "override_upload",
        UPLOADS,
        scope=Scope.SUBMIT,
        narrowed=True,
        parameters=[
            Parameter(
                "X-HTTP-Method-Override",
                "The method meant.",
                Annotated[str, Field(pattern="^(PATCH|DELETE)$")],
                where="header",
                required=True,
            ),
            SPEAKS,
            Parameter("Upload-Offset", "As for PATCH.", Count, where="header"),
            CHECKSUM,
        ],
        body={PIECE: bytes},
        body_optional=True,
        answers=[Answer(204, "As the method meant.", None, [header.sometimes for header in STANDS])],
        refuses=BRINGING,
    )
    async def override(self, request: Request) -> Response:
        """PATCH or DELETE for clients in front of which only POST passes (tus 1.0)."""
        doors = {"PATCH": self.bring, "DELETE": self.end}
        with speaking_tus(request):
            header = "X-HTTP-Method-Override"
            door = doors.get(request.headers.get(header, ""))
            if door is None:
                raise BadRequest(f"Send `{header}: PATCH`, or DELETE.", header=header)
        return await door(request)

    def _described(self, request: Request) -> Unfinished:
        length, metadata = length_of(request), metadata_of(request)
        if length > self._most_bytes:
            raise UploadTooLarge(f"The most is {self._most_bytes} bytes.", max_bytes=self._most_bytes)
        name = named(metadata.get("filename") or NAMELESS, header="Upload-Metadata")
        said = metadata.get("filetype", "")
        if not (said.isascii() and said.isprintable()):
            raise BadRequest("A file's type is printable ASCII.", header="Upload-Metadata")
        return Unfinished(
            upload_id=new_upload_id(),
            owner=owner_of(request),
            name=name,
            content_type=media_type(said, name),
            length=length,
            metadata=request.headers.get("upload-metadata", ""),
            single=principal_of(request).single,
        )

    async def _first(self, request: Request, unfinished: Unfinished, checksum: Checksum | None) -> Standing:
        """What came along with the creation."""
        if says_piece(request):
            return await self._take(request, unfinished.upload_id, 0, checksum)
        if declared_length(request) or "transfer-encoding" in request.headers:
            expect_piece(request)
        return await self._resumptions.look(unfinished.upload_id, unfinished.owner)

    async def _take(self, request: Request, upload_id: str, offset: int, checksum: Checksum | None) -> Standing:
        owner, single = _by(request)
        with self._reception.admitted(owner):
            async with self._resumptions.resume(upload_id, owner, offset, checksum, single=single) as arrival:
                async for batch in self._bodies.batches(request, arrival.most_bytes, UploadTooLarge):
                    await arrival.take(batch)
                return await arrival.settle()


def _by(request: Request) -> tuple[str, str]:
    """Whose uploads exist for who asks: an owner's, or of these what came for one submission."""
    return owner_of(request), principal_of(request).single
