"""Files in a bucket of S3, or of any server that speaks as it does. Nothing is visible there before it is whole."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import obstore
from obstore.store import S3Store

from app.objects.answers import changed, plain_errors
from app.objects.bucket_note import BucketNote
from app.objects.bucket_room import BucketRoom
from app.objects.content import Content, Told
from app.objects.signature import Signer, endpoint_of
from app.objects.unfinished import Unfinished
from app.periodic import backoff
from app.settings import Settings

if TYPE_CHECKING:
    from obstore import ObjectMeta

T = TypeVar("T")

PART_BYTES: Final = 8 << 20
PARTS_AT_ONCE: Final = 2
MOST_PARTS: Final = 9_000
"""S3 takes 10,000."""
LISTED_AT_ONCE: Final = 250
REQUEST_TIMEOUT: Final = timedelta(seconds=20)
CONNECT_TIMEOUT: Final = timedelta(seconds=3)
PAUSE_SECONDS: Final = 0.1
"""How long a move that waits for the store takes to notice that it is not wanted any more."""


class Bucket:
    """That of the store, or of another URL. Moves are tried again for `patience_seconds` while the server is away; a
    refusal is final."""

    def __init__(self, settings: Settings, patience_seconds: float, url: str = "") -> None:
        bucket, _, prefix = (url or settings.store_url).removeprefix("s3://").partition("/")
        endpoint = endpoint_of(settings)
        secret, token = settings.s3_secret_access_key.get_secret_value(), settings.s3_session_token.get_secret_value()
        self._prefix = "".join(f"{part}/" for part in prefix.split("/") if part)
        self._patience_seconds = patience_seconds
        self._link_seconds = settings.s3_link_seconds
        self._signer = Signer(f"{endpoint}/{bucket}", settings.s3_region, settings.s3_access_key_id, secret, token)
        self._store = S3Store(
            bucket,
            prefix=self._prefix or None,
            endpoint=endpoint,
            region=settings.s3_region,
            access_key_id=settings.s3_access_key_id,
            secret_access_key=secret,
            config={"session_token": token} if token else None,
            virtual_hosted_style_request=False,
            disable_bulk_delete=True,  # not every server that speaks S3 knows it
            client_options={
                "allow_http": endpoint.startswith("http:"),
                "timeout": REQUEST_TIMEOUT,
                "connect_timeout": CONNECT_TIMEOUT,
            },
            retry_config={"max_retries": 2, "retry_timeout": REQUEST_TIMEOUT},
        )

    def prepare(self) -> None:
        """Nothing: the server may be away at the start as at any time."""

    def put(self, key: str, content: Content) -> None:
        """In one request, or part by part; then two parts and one that is being filled are in memory."""
        self._patiently(lambda: self._put(key, content), content.told)

    def adopt(self, key: str, path: Path, told: Told) -> None:
        self.put(key, Content(path, told))
        path.unlink(missing_ok=True)

    def fetch(self, key: str, target: Path, told: Told) -> None:
        """Part by part, so that what breaks off goes on from there. All are of one version: it may be a stranger's."""
        version = self._patiently(lambda: obstore.head(self._store, key), told)
        try:
            with target.open("xb") as file:
                while (done := file.tell()) < version["size"]:
                    file.write(self._patiently(lambda: self._part(key, version, done), told))
                    told(file.tell())
        except BaseException:
            target.unlink(missing_ok=True)
            raise

    def size(self, key: str, told: Told) -> int:
        """Raises FileNotFoundError where there is no such object."""
        return self._patiently(lambda: obstore.head(self._store, key)["size"], told)

    def below(self, key: str, most: int, told: Told) -> Sequence[tuple[str, int]]:
        """Keys and sizes of what lies below, or of the first so many of them."""
        return self._patiently(lambda: self._listed(key, most), told)

    def link(self, key: str, method: str, answer: Mapping[str, str], now_ms: int) -> str:
        query = {f"response-{name}": value for name, value in answer.items()}
        return self._signer.link(method, self._prefix + key, query, now_ms, self._link_seconds)

    def drop(self, key: str) -> None:
        with plain_errors():
            below = [found["path"] for found in obstore.list(self._store, key).collect()]
            obstore.delete(self._store, below or [key])

    def drop_unfinished(self, silent_seconds: float) -> int:
        return Unfinished(self._signer, self._prefix).drop(self.time(), silent_seconds)

    def room(self, name: str) -> "BucketRoom":
        return BucketRoom(self._store, name, self.drop)

    def note(self, name: str) -> "BucketNote":
        return BucketNote(self._store, name)

    def time(self) -> float:
        """By writing something, as a disk is asked too."""
        with plain_errors():
            obstore.put(self._store, "clock", b"", use_multipart=False)
            return obstore.head(self._store, "clock")["last_modified"].timestamp()

    def _listed(self, key: str, most: int) -> Sequence[tuple[str, int]]:
        found = chain.from_iterable(obstore.list(self._store, key or None, chunk_size=LISTED_AT_ONCE))
        return [(each["path"], each["size"]) for each in islice(found, most)]

    def _put(self, key: str, content: Content) -> None:
        stat = content.path.stat()
        if stat.st_size <= PART_BYTES:
            obstore.put(self._store, key, b"".join(content), use_multipart=False)
        else:
            part_bytes = max(PART_BYTES, math.ceil(stat.st_size / MOST_PARTS))
            obstore.put(self._store, key, content, chunk_size=part_bytes, max_concurrency=PARTS_AT_ONCE)

    def _part(self, key: str, version: "ObjectMeta", start: int) -> obstore.Bytes:
        """Each answer says of which version it is, which `If-Match` would not tell of a server without entity tags."""
        span = (start, min(start + PART_BYTES, version["size"]))
        part = obstore.get(self._store, key, options={"range": span})
        if part.meta != version:
            raise changed()
        return part.bytes()

    def _patiently(self, attempt: Callable[[], T], told: Told) -> T:
        failures, deadline = 0, math.inf
        while True:
            try:
                with plain_errors():
                    return attempt()
            except ConnectionError:
                if not failures:
                    deadline = time.monotonic() + self._patience_seconds
                if time.monotonic() >= deadline:
                    raise
            _pause(backoff(failures), told)
            failures += 1


def _pause(seconds: float, told: Told) -> None:
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        told(0)
        time.sleep(min(left, PAUSE_SECONDS))
