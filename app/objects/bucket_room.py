"""What lies below one name in a bucket, as `workers/orphans.py` looks at it."""

import math
from collections.abc import Callable

import obstore
from obstore.store import S3Store

from app.jobs import is_job_id
from app.objects.answers import plain_errors


class BucketRoom:
    """Its clock is that of the server."""

    def __init__(self, store: S3Store, name: str, drop: Callable[[str], None]) -> None:
        self.name = name
        self._store = store
        self._drop = drop

    def entries(self) -> list[str]:
        with plain_errors():
            found = obstore.list_with_delimiter(self._store, self.name)
        paths = (*found["common_prefixes"], *(each["path"] for each in found["objects"]))
        return [name for path in paths if is_job_id(name := path.rpartition("/")[2])]

    def changed_at(self, entry: str) -> float:
        key = f"{self.name}/{entry}"
        with plain_errors():
            times = [found["last_modified"] for found in obstore.list(self._store, key).collect()]
            try:
                return max(times or [obstore.head(self._store, key)["last_modified"]]).timestamp()
            except FileNotFoundError:
                return math.inf

    def drop(self, entry: str) -> None:
        self._drop(f"{self.name}/{entry}")
