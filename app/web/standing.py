"""How far a resumable upload has come, in words and headers. What `app/web/tus.py` answers."""

from base64 import b64encode
from email.utils import formatdate
from typing import Annotated, Final

from pydantic import Field
from typing_extensions import TypedDict

from app.clock import rfc3339
from app.intake.resumption import Standing
from app.shapes.shape import Moment, shape
from app.web.contract import Header
from app.web.headers import CACHE_CONTROL
from app.web.tusheaders import SPOKEN

Count = Annotated[int, Field(ge=0)]

RESUMABLE: Final = Header("Tus-Resumable", "The version of the protocol.")
OFFSET: Final = Header("Upload-Offset", "Bytes that have come.", Count)
EXPIRES: Final = Header("Upload-Expires", "Until when it waits for more, or is kept (RFC 9110 section 5.6.7).")
INPUT: Final = Header("Tidings-Input", "What to say for it in params, once it is whole.", always=False)
STANDS: Final = (RESUMABLE, OFFSET, EXPIRES, CACHE_CONTROL, INPUT)
METADATA: Final = Header("Upload-Metadata", "As it came, or in our words once it is whole.")
LENGTH: Final = Header("Upload-Length", "Bytes there will be.", Count)


@shape
class UploadStanding(TypedDict):
    """How far an upload has come. `input` and `sha256` are null until it is whole."""

    upload_id: str
    input: str | None
    """What to say for it in params."""
    name: str
    size: int
    """Bytes there will be."""
    offset: int
    """Bytes that have come."""
    sha256: str | None
    expires_at: Moment


def shown(standing: Standing) -> UploadStanding:
    """As the answer to a GET has it."""
    upload, known = standing.upload, standing.unfinished
    return {
        "upload_id": known.upload_id,
        "input": f"upload:{known.upload_id}" if upload else None,
        "name": known.name,
        "size": known.length,
        "offset": standing.offset,
        "sha256": upload.sha256 if upload else None,
        "expires_at": rfc3339(known.expires_at),
    }


def standing_headers(standing: Standing) -> dict[str, str]:
    """How far it has come, and of one that is whole what to say for it in params."""
    headers = SPOKEN | {
        "Upload-Offset": str(standing.offset),
        "Upload-Expires": formatdate(standing.unfinished.expires_at / 1000, usegmt=True),
        "Cache-Control": "no-store",
    }
    return headers | ({"Tidings-Input": f"upload:{standing.upload.upload_id}"} if standing.upload else {})


def metadata_text(standing: Standing) -> str:
    """As the client said it, as long as that is known; else the same in our words."""
    known = standing.unfinished
    return known.metadata or ",".join(
        f"{name} {b64encode(value.encode()).decode()}"
        for name, value in (("filename", known.name), ("filetype", known.content_type))
    )
