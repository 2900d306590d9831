"""Uploads that come in several requests: begun by one, carried on by others, until they are uploads like any other.

Behind the doors of `app/web/tus.py`; nothing here knows HTTP. Several web processes may be at it: what has come only
the file says, who may write to it the lock on the file, and all else the record in Redis.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final

from app.artifacts import FileStore
from app.errors import OffsetMismatch, UnknownUpload, UploadBusy, UploadTooLarge
from app.intake.incoming import room_for_it
from app.intake.reception import Reception
from app.intake.resumable import CheckedPiece, Checksum, ResumableFile
from app.jobs import is_job_id
from app.store import Unfinished, UnfinishedStore, Upload, UploadStore

TOUCH_SECONDS: Final = 15.0
"""A request that brings something for long puts the expiry off so often."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How far an upload has come; `upload` once it is one."""

    unfinished: Unfinished
    offset: int
    upload: Upload | None = None

    @classmethod
    def whole(cls, upload: Upload, metadata: str = "") -> "Standing":
        """Of one that has come to its end, by whichever door."""
        told = (upload.upload_id, upload.owner, upload.name, upload.content_type, upload.size)
        rest = (metadata, upload.sha256, upload.expires_at, upload.single)
        return cls(Unfinished(*told, *rest), upload.size, upload)


class Resumptions:
    """What is foreign looks exactly like what is not there: UnknownUpload. For a token to submit once (`single`) all
    that it did not begin itself is.
    """

    def __init__(
        self, files: FileStore, unfinished: UnfinishedStore, uploads: UploadStore, reception: Reception
    ) -> None:
        self._files = files
        self._unfinished = unfinished
        self._uploads = uploads
        self._reception = reception

    async def begin(self, unfinished: Unfinished) -> None:
        """Nothing of it is there yet. Raises TooManyUnfinished, StorageFull."""
        await self._unfinished.begin(unfinished)
        try:
            with room_for_it():
                self._files.unfinished(unfinished.upload_id).touch(exist_ok=False)
        except BaseException:
            await self._unfinished.end(unfinished)
            raise

    async def look(self, upload_id: str, owner: str, single: str = "") -> Standing:
        """How far it has come. One that has all its bytes, and was left before it became an upload, becomes one now.

        Raises UnknownUpload, or UploadBusy while another request does that.
        """
        unfinished = await self._find(upload_id, owner, single)
        if unfinished is None:
            return await self._finished(upload_id, owner, single)
        try:
            offset = self._files.unfinished(upload_id).stat().st_size
            if offset < unfinished.length:
                return Standing(unfinished, offset)
            async with self._opened(upload_id) as file:
                return await self.finish(unfinished, file)
        except FileNotFoundError:
            return await self._kept(upload_id, owner, single)

    @asynccontextmanager
    async def resume(
        self, upload_id: str, owner: str, offset: int, checksum: Checksum | None = None, *, single: str = ""
    ) -> AsyncIterator["Arrival"]:
        """More of it comes, from `offset` on, which must be where it stands. Of what is too much nothing stays.

        Raises UnknownUpload, UploadBusy, OffsetMismatch, StorageFull.
        """
        standing = await self.look(upload_id, owner, single)
        _expect(offset, standing.offset)
        if standing.upload:
            yield Arrival(self, standing)
            return
        async with self._held(upload_id) as file:
            _expect(offset, file.size)
            piece = CheckedPiece(self._files, upload_id, checksum) if checksum else None
            try:
                yield Arrival(self, standing, file, piece)
            except UploadTooLarge:
                await asyncio.to_thread(file.cut, offset)
                raise
            finally:
                if piece:
                    await asyncio.to_thread(piece.close)

    async def end(self, upload_id: str, owner: str, single: str = "") -> None:
        """It is not wanted any more, whole or not. Raises UnknownUpload, UploadBusy."""
        standing = await self.look(upload_id, owner, single)
        if standing.upload:
            return await self._uploads.end(upload_id)
        async with self._held(upload_id):
            await self._unfinished.end(standing.unfinished)
            self._files.drop_unfinished(upload_id)

    async def put_off(self, unfinished: Unfinished) -> Unfinished:
        """Its expiry, as something has come of it. Raises UnknownUpload when it has expired."""
        expires_at = await self._unfinished.touch(unfinished)
        if expires_at is None:
            raise UnknownUpload(upload_id=unfinished.upload_id)
        return replace(unfinished, expires_at=expires_at)

    async def finish(self, unfinished: Unfinished, file: ResumableFile) -> Standing:
        """All bytes are there: an upload is made of them. Wherever this is interrupted, `look` goes on with it."""
        await self.put_off(unfinished)
        pieces = file.hash_rest()
        while await asyncio.to_thread(next, pieces, None):
            pass
        sealed = replace(unfinished, sha256=file.sha256)
        if not await self._unfinished.seal(sealed):
            raise UnknownUpload(upload_id=sealed.upload_id)
        upload = await self._reception.make_upload(
            file, owner=sealed.owner, name=sealed.name, content_type=sealed.content_type, single=sealed.single
        )
        await self._unfinished.end(sealed)
        return Standing.whole(upload, sealed.metadata)

    async def _find(self, upload_id: str, owner: str, single: str) -> Unfinished | None:
        unfinished = await self._unfinished.find(upload_id) if is_job_id(upload_id) else None
        return unfinished if unfinished and unfinished.is_of(owner, single) else None

    async def _finished(self, upload_id: str, owner: str, single: str) -> Standing:
        upload = await self._uploads.find(upload_id) if is_job_id(upload_id) else None
        if upload is None or not upload.is_of(owner, single):
            raise UnknownUpload(upload_id=upload_id[:64])
        return Standing.whole(upload)

    async def _kept(self, upload_id: str, owner: str, single: str) -> Standing:
        """Its file is not where unfinished ones lie: whoever kept it may not have come to make it known."""
        unfinished = await self._find(upload_id, owner, single)
        if unfinished and unfinished.sha256:
            known = (unfinished.upload_id, owner, unfinished.name, unfinished.length, unfinished.sha256)
            upload = Upload(*known, unfinished.content_type, await self._uploads.expiry(), unfinished.single)
            await self._uploads.add(upload)
            await self._unfinished.end(unfinished)
        return await self._finished(upload_id, owner, single)

    @asynccontextmanager
    async def _opened(self, upload_id: str) -> AsyncIterator[ResumableFile]:
        file = ResumableFile(self._files, upload_id)
        try:
            yield file
        finally:
            await asyncio.to_thread(file.close)

    @asynccontextmanager
    async def _held(self, upload_id: str) -> AsyncIterator[ResumableFile]:
        """The same for one that has just been looked at."""
        try:
            with room_for_it():
                async with self._opened(upload_id) as file:
                    yield file
        except FileNotFoundError:
            raise UploadBusy("Another request has just ended it.") from None


class Arrival:
    """What one request brings. Its pieces are awaited one after the other."""

    def __init__(
        self,
        resumptions: Resumptions,
        standing: Standing,
        file: ResumableFile | None = None,
        piece: CheckedPiece | None = None,
    ) -> None:
        self.most_bytes = standing.unfinished.length - standing.offset
        self._resumptions = resumptions
        self._standing = standing
        self._file = file
        self._piece = piece
        self._touched = time.monotonic()

    async def take(self, batch: bytes | bytearray) -> None:
        """Write it down."""
        assert self._file, "nothing more is taken of what is whole"
        await asyncio.to_thread((self._piece or self._file).write, batch)
        if time.monotonic() > self._touched + TOUCH_SECONDS:
            await self._resumptions.put_off(self._standing.unfinished)
            self._touched = time.monotonic()

    async def settle(self) -> Standing:
        """The request has come to its end. Raises ChecksumMismatch."""
        if self._file is None:
            return self._standing
        if self._piece:
            await asyncio.to_thread(self._piece.append_to, self._file)
        await asyncio.to_thread(self._file.sync)
        unfinished = await self._resumptions.put_off(self._standing.unfinished)
        if self._file.size == unfinished.length:
            return await self._resumptions.finish(unfinished, self._file)
        return Standing(unfinished, self._file.size)


def _expect(offset: int, stands: int) -> None:
    if offset != stands:
        raise OffsetMismatch(f"{stands} bytes have come; go on from there.", offset=stands)
