"""The headers of requests in tus 1.0, the protocol of resumable uploads. What answers say is in `standing.py`.

Used by `app/web/tus.py`. All readers raise BadRequest with the header's name, unless they say otherwise.
"""

from base64 import b64decode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from starlette.requests import Request

from app.errors import BadRequest, Refusal, UnsupportedMediaType, UnsupportedTus
from app.intake.resumable import Checksum

VERSION: Final = "1.0.0"
SPOKEN: Final = {"Tus-Resumable": VERSION}
EXTENSIONS: Final = "creation,creation-with-upload,expiration,checksum,termination"
DIGEST_BYTES: Final = {"sha256": 32, "sha1": 20, "md5": 16}
"""The algorithms of checksums, and the bytes of each."""

PIECE: Final = "application/offset+octet-stream"
LONGEST_METADATA: Final = 4_096
MOST_DIGITS: Final = 18
READING: Final = frozenset({"GET", "HEAD"})


@contextmanager
def speaking_tus(request: Request) -> Iterator[None]:
    """Whatever is refused says which protocol it is about. Raises UnsupportedTus; who only reads may leave it out."""
    version = request.headers.get("tus-resumable", VERSION if request.method in READING else "")
    try:
        if version != VERSION:
            raise UnsupportedTus(headers={"Tus-Version": VERSION}, header="Tus-Resumable")
        yield
    except Refusal as refusal:
        refusal.headers |= SPOKEN
        raise


def told(most_bytes: int) -> Mapping[str, str]:
    """What OPTIONS says."""
    return SPOKEN | {
        "Tus-Version": VERSION,
        "Tus-Extension": EXTENSIONS,
        "Tus-Max-Size": str(most_bytes),
        "Tus-Checksum-Algorithm": ",".join(DIGEST_BYTES),
    }


def length_of(request: Request) -> int:
    """`Upload-Length`; to say it later is an extension that is not spoken here."""
    if "upload-defer-length" in request.headers:
        raise BadRequest("The length has to be known: send `Upload-Length`.", header="Upload-Defer-Length")
    if "upload-concat" in request.headers:
        raise BadRequest("Uploads are not put together here.", header="Upload-Concat")
    return number(request, "Upload-Length")


def number(request: Request, header: str) -> int:
    """A count of bytes."""
    text = request.headers.get(header, "")
    if not (text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS):
        raise BadRequest(f"Send `{header}`, a count of bytes.", header=header)
    return int(text)


def expect_piece(request: Request) -> None:
    """Raises UnsupportedMediaType for a body that is not a piece of an upload."""
    if not says_piece(request):
        headers = {"Accept-Patch" if request.method == "PATCH" else "Accept-Post": PIECE}
        raise UnsupportedMediaType(f"Send `Content-Type: {PIECE}`.", headers=headers, header="Content-Type")


def says_piece(request: Request) -> bool:
    """Whether the body is said to be a piece of an upload."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == PIECE


def checksum_of(request: Request) -> Checksum | None:
    """`Upload-Checksum`: an algorithm and the digest in base64; None where there is none."""
    if "upload-checksum" not in request.headers:
        return None
    algorithm, _, text = request.headers["upload-checksum"].partition(" ")
    size = DIGEST_BYTES.get(algorithm)
    if size is None:
        known = ", ".join(DIGEST_BYTES)
        raise BadRequest(f"A checksum is of {known}, as `sha256 <base64>`.", header="Upload-Checksum")
    digest = _decoded(text, "Upload-Checksum")
    if len(digest) != size:
        raise BadRequest(f"The digest of {algorithm} has {size} bytes.", header="Upload-Checksum")
    return Checksum(algorithm, digest)


def metadata_of(request: Request) -> dict[str, str]:
    """`Upload-Metadata`: names with values in base64, which are UTF-8 where they are ours to read."""
    text = request.headers.get("upload-metadata", "")
    if len(text) > LONGEST_METADATA:
        raise BadRequest(f"The most is {LONGEST_METADATA} characters.", header="Upload-Metadata")
    metadata: dict[str, str] = {}
    for pair in text.split(",") if text.strip() else ():
        name, _, value = pair.strip(" ").partition(" ")
        if not name or name in metadata or not name.isascii():
            raise BadRequest("Each has a name of its own, in ASCII.", header="Upload-Metadata")
        metadata[name] = _decoded(value, "Upload-Metadata").decode(errors="replace")
    return metadata


def _decoded(text: str, header: str) -> bytes:
    try:
        return b64decode(text.strip(" "), validate=True)
    except ValueError:  # it is no base64, or not even ASCII
        raise BadRequest("A value is in base64 (RFC 4648 section 4).", header=header) from None
