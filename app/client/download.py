"""A file on its way from the service, or from the object store it leads to: what breaks off is gone on with."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

from app.client.asking import stretched
from app.client.errors import ClientError, Refused
from app.client.wire import Call, Read, Reply, Wire

TRIES_IN_A_ROW: Final = 5
LONGEST_PAUSE_SECONDS: Final = 10


async def downloaded(wire: Wire, path: str, to: Path, on_progress: Callable[[int], None]) -> Path:
    """Where the file is, whole. Until then it has another name. `on_progress` hears bytes that came."""
    part = to.with_name(f"{to.name}.part")
    file: BinaryIO = await wire.do(lambda: part.open("wb"))
    try:
        with file:
            await _brought(wire, path, file, on_progress)
        await wire.do(lambda: part.replace(to))
    finally:
        part.unlink(missing_ok=True)
    return to


async def _brought(wire: Wire, path: str, file: BinaryIO, on_progress: Callable[[int], None]) -> None:
    version, failures = "", 0
    while True:
        begun = file.tell()
        try:
            async with _opened(wire, path, begun, version) as (reply, read):
                if reply.status not in (200, 206):
                    raise Refused.by(reply)
                version = reply.headers.get("ETag", "")
                if reply.status == 200 and begun:  # it is another file by now, or comes from who knows no ranges
                    await wire.do(lambda: file.truncate(file.seek(0)))
                while chunk := await read():
                    await wire.do(partial(file.write, chunk))
                    on_progress(file.tell())
                return
        except ClientError as failure:
            failures = 1 if file.tell() > begun else failures + 1
            if failures >= TRIES_IN_A_ROW or not failure.heals or failure.retry_after > LONGEST_PAUSE_SECONDS:
                raise
            await wire.pause(max(stretched(0.25 * 2**failures), failure.retry_after))


def _opened(wire: Wire, path: str, offset: int, version: str) -> AbstractAsyncContextManager[tuple[Reply, Read]]:
    resume = {"Range": f"bytes={offset}-", "If-Range": version} if offset and version else {}
    return wire.opened(Call("GET", path, {"Accept-Encoding": "identity"} | resume))
