"""Files in a bucket of S3, or of any server that speaks as it does. Nothing is visible there before it is whole."""

import errno
import math
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final, TypeVar

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from app.jobs import is_job_id
from app.objects.content import Content, Told
from app.objects.signature import Signer
from app.objects.unfinished import Unfinished
from app.periodic import backoff
from app.settings import Settings

T = TypeVar("T")

PART_BYTES: Final = 8 << 20
PARTS_AT_ONCE: Final = 2
MOST_PARTS: Final = 9_000
"""S3 takes 10,000."""
REQUEST_TIMEOUT: Final = timedelta(seconds=20)
CONNECT_TIMEOUT: Final = timedelta(seconds=3)
PAUSE_SECONDS: Final = 0.1
"""How long a move that waits for the store takes to notice that it is not wanted any more."""

FULL: Final = {"XMinioStorageFull", "QuotaExceeded", "InsufficientCapacity", "InsufficientStorage"}
TOO_LARGE: Final = {"EntityTooLarge"}
PASSING: Final = {"408", "425", "429"}
"""Statuses below 500 of what may be tried again."""

_CODE: Final = re.compile(r"<Code>(\w{1,64})</Code>")
_STATUS: Final = re.compile(r"status code: (\d{3})")


class Bucket:
    """Moves are tried again for `patience_seconds` while the server is away; a refusal is final."""

    def __init__(self, settings: Settings, patience_seconds: float) -> None:
        bucket, _, prefix = settings.store_url.removeprefix("s3://").partition("/")
        endpoint = settings.s3_endpoint.rstrip("/") or f"https://s3.{settings.s3_region}.amazonaws.com"
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
        """Part by part, so that what breaks off goes on from there."""
        size = self._patiently(lambda: obstore.head(self._store, key)["size"], told)
        try:
            with target.open("xb") as file:
                while (done := file.tell()) < size:
                    file.write(self._patiently(lambda: self._part(key, done, size), told))
                    told(file.tell())
        except BaseException:
            target.unlink(missing_ok=True)
            raise

    def link(self, key: str, method: str, answer: Mapping[str, str], now_ms: int) -> str:
        query = {f"response-{name}": value for name, value in answer.items()}
        return self._signer.link(method, self._prefix + key, query, now_ms, self._link_seconds)

    def drop(self, key: str) -> None:
        with _plain_errors():
            below = [found["path"] for found in obstore.list(self._store, key).collect()]
            obstore.delete(self._store, below or [key])

    def drop_unfinished(self, silent_seconds: float) -> int:
        return Unfinished(self._signer, self._prefix).drop(self.time(), silent_seconds)

    def room(self, name: str) -> "BucketRoom":
        return BucketRoom(self, self._store, name)

    def note(self, name: str) -> "ObjectNote":
        return ObjectNote(self._store, name)

    def time(self) -> float:
        """By writing something, as a disk is asked too."""
        with _plain_errors():
            obstore.put(self._store, "clock", b"", use_multipart=False)
            return obstore.head(self._store, "clock")["last_modified"].timestamp()

    def _put(self, key: str, content: Content) -> None:
        stat = content.path.stat()
        if stat.st_size <= PART_BYTES:
            obstore.put(self._store, key, b"".join(content), use_multipart=False)
        else:
            part_bytes = max(PART_BYTES, math.ceil(stat.st_size / MOST_PARTS))
            obstore.put(self._store, key, content, chunk_size=part_bytes, max_concurrency=PARTS_AT_ONCE)

    def _part(self, key: str, start: int, size: int) -> obstore.Bytes:
        return obstore.get_range(self._store, key, start=start, end=min(start + PART_BYTES, size))

    def _patiently(self, attempt: Callable[[], T], told: Told) -> T:
        deadline = time.monotonic() + self._patience_seconds
        failures = 0
        while True:
            try:
                with _plain_errors():
                    return attempt()
            except ConnectionError:
                if time.monotonic() >= deadline:
                    raise
            _pause(backoff(failures), told)
            failures += 1


class BucketRoom:
    """What lies below one name in the bucket."""

    def __init__(self, bucket: Bucket, store: S3Store, name: str) -> None:
        self.name = name
        self._bucket = bucket
        self._store = store

    def entries(self) -> list[str]:
        with _plain_errors():
            found = obstore.list_with_delimiter(self._store, self.name)
        paths = (*found["common_prefixes"], *(each["path"] for each in found["objects"]))
        return [name for path in paths if is_job_id(name := path.rpartition("/")[2])]

    def changed_at(self, entry: str) -> float:
        key = f"{self.name}/{entry}"
        with _plain_errors():
            times = [found["last_modified"] for found in obstore.list(self._store, key).collect()]
            try:
                return max(times or [obstore.head(self._store, key)["last_modified"]]).timestamp()
            except FileNotFoundError:
                return math.inf

    def drop(self, entry: str) -> None:
        self._bucket.drop(f"{self.name}/{entry}")


class ObjectNote:
    """Since when it has been kept up stands in its text; where it does not, it began when it was written."""

    def __init__(self, store: S3Store, key: str) -> None:
        self._store = store
        self._key = key

    def __str__(self) -> str:
        return self._key

    def text(self) -> str:
        return self._read().partition("\n")[0]

    def began(self) -> float:
        told = self._read().partition("\n")[2]
        return float(told) if told else self._written_at()

    def write(self, text: str, began: float) -> float:
        with _plain_errors():
            content = text if began == math.inf else f"{text}\n{began}"
            obstore.put(self._store, self._key, content.encode(), use_multipart=False)
        return self._written_at() if began == math.inf else began

    def _read(self) -> str:
        try:
            with _plain_errors():
                return bytes(obstore.get(self._store, self._key).bytes()).decode(errors="replace")
        except FileNotFoundError:
            return ""

    def _written_at(self) -> float:
        try:
            with _plain_errors():
                return obstore.head(self._store, self._key)["last_modified"].timestamp()
        except FileNotFoundError:
            return math.inf


@contextmanager
def _plain_errors() -> Iterator[None]:
    """In Python's words, and without what obstore tells beside them: whole answers, with whatever is in them."""
    try:
        yield
    except (BaseError, FileNotFoundError) as error:
        raise _plain(error) from None


def _plain(error: Exception) -> OSError:
    if isinstance(error, FileNotFoundError) and error.errno:
        return error  # of the disk, not of the store
    text = str(error)
    code = match[1] if (match := _CODE.search(text)) else ""
    status = match[1] if (match := _STATUS.search(text)) else ""
    told = f": {code}" if code else ""
    if isinstance(error, FileNotFoundError) and code != "NoSuchBucket":
        return FileNotFoundError(errno.ENOENT, "There is no such object")
    if code in FULL:
        return OSError(errno.ENOSPC, f"The object store is full{told}")
    if code in TOO_LARGE:
        return OSError(errno.EFBIG, f"The object store does not take files of that size{told}")
    if "300" <= status < "500" and status not in PASSING:
        return PermissionError(f"The object store refuses{told}")
    return ConnectionError(f"The object store does not answer{told}")


def _pause(seconds: float, told: Told) -> None:
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        told(0)
        time.sleep(min(left, PAUSE_SECONDS))
