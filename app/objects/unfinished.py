"""Uploads in parts whose sender died: S3 keeps such parts, unseen but paid for, until somebody ends the upload.

What is given up in good order obstore ends itself; this is for what a killed worker leaves (`workers/orphans.py`).
obstore cannot list them, so these few requests are made here.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Final, NamedTuple
from xml.etree import ElementTree

import httpx

from app.objects.signature import Signer

SIGNED_SECONDS: Final = 60


class Upload(NamedTuple):
    """One that has begun and not ended; `began` is seconds on the store's clock."""

    key: str
    upload_id: str
    began: float


class Unfinished:
    """Those of keys that begin with the prefix."""

    def __init__(self, signer: Signer, prefix: str) -> None:
        self._signer = signer
        self._prefix = prefix

    def drop(self, now: float, silent_seconds: float) -> int:
        """End those that began so long before now; answers how many. A round sees a thousand, the next one more.

        Raises ConnectionError when the store is away; one that does not know this request has none.
        """
        try:
            with httpx.Client() as client:
                return sum(self._end(client, upload, now) for upload in self._old(client, now, silent_seconds))
        except httpx.HTTPError as error:
            raise ConnectionError(f"The object store does not answer: {type(error).__name__}") from None

    def _old(self, client: httpx.Client, now: float, silent_seconds: float) -> list[Upload]:
        url = self._link("GET", "", {"uploads": "", "prefix": self._prefix}, now)
        answer = client.get(url)
        found = _uploads(answer.content) if answer.is_success else ()
        return [upload for upload in found if upload.began < now - silent_seconds]

    def _end(self, client: httpx.Client, upload: Upload, now: float) -> bool:
        return client.delete(self._link("DELETE", upload.key, {"uploadId": upload.upload_id}, now)).is_success

    def _link(self, method: str, key: str, query: dict[str, str], now: float) -> str:
        return self._signer.link(method, key, query, int(now * 1000), SIGNED_SECONDS)


def _uploads(answer: bytes) -> Iterator[Upload]:
    for element in ElementTree.fromstring(answer).iterfind("{*}Upload"):  # noqa: S314  of the store we trust our files to
        told = {name: element.findtext(f"{{*}}{name}") or "" for name in ("Key", "UploadId", "Initiated")}
        began = datetime.fromisoformat(told["Initiated"]).timestamp()
        yield Upload(told["Key"], told["UploadId"], began)
