"""A file on its way to the service by tus 1.0, in pieces: one that breaks off is gone on with from where it got to."""

import mimetypes
import os
from base64 import b64encode
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final
from urllib.parse import urlsplit

from app.client.asking import RETRY_SECONDS, asked, asked_for_object, asked_once, stretched
from app.client.errors import ClientError, Refused
from app.client.wire import Call, Json, Wire

FIRST_PIECE_BYTES: Final = 256 << 10
"""The next is twice as large, to the largest: progress shows early, and a fast line is not held up."""
LARGEST_PIECE_BYTES: Final = 8 << 20

TRIES_IN_A_ROW: Final = 10
LONGEST_PAUSE_SECONDS: Final = 60

TUS: Final = {"Tus-Resumable": "1.0.0"}
PIECE: Final = TUS | {"Content-Type": "application/offset+octet-stream"}

OnProgress = Callable[[int, int], None]


async def uploaded(wire: Wire, path: Path, on_progress: OnProgress) -> Json:
    """The upload once it is whole. Raises OSError when the file cannot be read to its end."""
    file: BinaryIO = await wire.do(lambda: path.open("rb"))
    with file:
        size = os.fstat(file.fileno()).st_size
        place = await _begun(wire, path.name, size)
        await _brought(wire, file, size, place, on_progress)
    return await asked_for_object(wire, Call("GET", place))


async def _begun(wire: Wire, name: str, size: int) -> str:
    """Where it is. One that is begun twice, as the first answer got lost, is forgotten by the service within a day."""
    said = {"filename": name, "filetype": mimetypes.guess_type(name)[0] or "application/octet-stream"}
    metadata = ",".join(f"{key} {b64encode(value.encode()).decode()}" for key, value in said.items())
    headers = TUS | {"Upload-Length": str(size), "Upload-Metadata": metadata}
    reply = await asked(wire, Call("POST", "/api/uploads", headers))
    # By its id alone: the link may be how others reach the service.
    return "/api/uploads/tus/" + urlsplit(reply.headers["Location"]).path.rpartition("/")[2]


async def _brought(wire: Wire, file: BinaryIO, size: int, place: str, on_progress: OnProgress) -> None:
    offset, most, failures = 0, FIRST_PIECE_BYTES, 0
    while offset < size:
        try:
            if failures:
                before, offset = offset, await _offset(wire, place)
                failures = failures if offset == before else 1
            if offset < size:
                piece = await wire.do(partial(_piece, file, offset, min(most, size - offset)))
                offset = await _bring(wire, place, offset, piece)
        except ClientError as failure:
            failures, most = failures + 1, FIRST_PIECE_BYTES
            if failures >= TRIES_IN_A_ROW or not _may_go_on(failure):
                raise
            await wire.pause(_pause(failures, failure))
        else:
            failures, most = 0, min(2 * most, LARGEST_PIECE_BYTES)
            on_progress(offset, size)


async def _bring(wire: Wire, place: str, offset: int, piece: bytes) -> int:
    reply = await asked_once(wire, Call("PATCH", place, PIECE | {"Upload-Offset": str(offset)}, piece))
    return int(reply.headers["Upload-Offset"])


async def _offset(wire: Wire, place: str) -> int:
    reply = await asked_once(wire, Call("HEAD", place, TUS))
    return int(reply.headers["Upload-Offset"])


def _pause(failures: int, failure: ClientError) -> float:
    seconds = min(RETRY_SECONDS[0] * 2 ** (failures - 1), LONGEST_PAUSE_SECONDS)
    return max(stretched(seconds), failure.retry_after)


def _may_go_on(failure: ClientError) -> bool:
    """What a piece met may be over by the next, or be the doing of one before, which came further than we heard."""
    known = isinstance(failure, Refused) and failure.code in {"offset_mismatch", "upload_busy"}
    return known or (failure.heals and failure.retry_after <= LONGEST_PAUSE_SECONDS)


def _piece(file: BinaryIO, offset: int, size: int) -> bytes:
    file.seek(offset)
    piece = file.read(size)
    if not piece:
        raise OSError(f"{file.name} became shorter while it was read")
    return piece
