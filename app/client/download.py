"""A file on its way from the service, or from the object store it leads to: what breaks off is gone on with."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

from app.client.asking import stretched
from app.client.errors import ClientError, Refused
from app.client.steps import Call, Do, Open, Pause, Read, Reply, Steps

TRIES_IN_A_ROW: Final = 5
LONGEST_PAUSE_SECONDS: Final = 10


def downloaded(path: str, to: Path, on_progress: Callable[[int], None]) -> Steps[Path]:
    """Where the file is, whole. Until then it has another name. `on_progress` hears bytes that came."""
    part = to.with_name(f"{to.name}.part")
    file: BinaryIO = yield Do(lambda: part.open("wb"))
    try:
        with file:
            yield from _brought(path, file, on_progress)
        yield Do(lambda: part.replace(to))
    finally:
        part.unlink(missing_ok=True)
    return to


def _brought(path: str, file: BinaryIO, on_progress: Callable[[int], None]) -> Steps[None]:
    version, failures = "", 0
    while True:
        begun = file.tell()
        try:
            reply = yield from _opened(path, begun, version)
            version = reply.headers.get("ETag", "")
            if reply.status == 200 and begun:  # it is another file by now, or comes from who knows no ranges
                yield Do(lambda: file.truncate(file.seek(0)))
            while chunk := (yield Read()):
                yield Do(partial(file.write, chunk))
                on_progress(file.tell())
            return
        except ClientError as failure:
            failures = 1 if file.tell() > begun else failures + 1
            if failures >= TRIES_IN_A_ROW or not failure.heals or failure.retry_after > LONGEST_PAUSE_SECONDS:
                raise
            yield Pause(max(stretched(0.25 * 2**failures), failure.retry_after))


def _opened(path: str, offset: int, version: str) -> Steps[Reply]:
    resume = {"Range": f"bytes={offset}-", "If-Range": version} if offset and version else {}
    reply: Reply = yield Open(Call("GET", path, {"Accept-Encoding": "identity"} | resume))
    if reply.status not in (200, 206):
        raise Refused.by(reply)
    return reply
