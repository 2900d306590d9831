"""A note in a bucket. There no age can be given to what is written, so it stands in the text."""

import math

import obstore
from obstore.store import S3Store

from app.objects.answers import plain_errors


class BucketNote:
    """Where it does not say since when it is kept up, it began when it was written."""

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
        with plain_errors():
            content = text if began == math.inf else f"{text}\n{began}"
            obstore.put(self._store, self._key, content.encode(), use_multipart=False)
        return self._written_at() if began == math.inf else began

    def _read(self) -> str:
        try:
            with plain_errors():
                return bytes(obstore.get(self._store, self._key).bytes()).decode(errors="replace")
        except FileNotFoundError:
            return ""

    def _written_at(self) -> float:
        try:
            with plain_errors():
                return obstore.head(self._store, self._key)["last_modified"].timestamp()
        except FileNotFoundError:
            return math.inf
