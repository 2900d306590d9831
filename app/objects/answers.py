"""What S3 answers when it does not do what it was asked, in Python's words (`app/objects/objects.py`)."""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from obstore.exceptions import BaseError

FULL: Final = {"XMinioStorageFull", "QuotaExceeded", "InsufficientCapacity", "InsufficientStorage"}
TOO_LARGE: Final = {"EntityTooLarge"}
PASSING: Final = {"408", "425", "429"}
"""Statuses below 500 of what may be tried again."""
OUTSIDE: Final = "416"
"""We ask only for what there was."""

_CODE: Final = re.compile(r"<Code>(\w{1,64})</Code>")
_STATUS: Final = re.compile(r"status code: (\d{3})")


@contextmanager
def plain_errors() -> Iterator[None]:
    """In Python's words, and without what obstore tells beside them: whole answers, with whatever is in them."""
    try:
        yield
    except (BaseError, FileNotFoundError) as error:
        raise _plain(error) from None


def changed() -> OSError:
    """What has been read of it so far is worth nothing."""
    return OSError(errno.ESTALE, "The object has changed while it was read")


def _plain(error: Exception) -> OSError:
    if isinstance(error, FileNotFoundError) and error.errno:
        return error  # of the disk, not of the store
    text = str(error)
    code = match[1] if (match := _CODE.search(text)) else ""
    status = match[1] if (match := _STATUS.search(text)) else ""
    if "redirect without LOCATION" in text:
        status, code = "301", "another region"
    told = f": {code}" if code else ""
    if isinstance(error, FileNotFoundError) and code != "NoSuchBucket":
        return FileNotFoundError(errno.ENOENT, "There is no such object")
    if code in FULL or status == "507":
        return OSError(errno.ENOSPC, f"The object store is full{told}")
    if code in TOO_LARGE:
        return OSError(errno.EFBIG, f"The object store does not take files of that size{told}")
    if "300" <= status < "500" and status not in PASSING:
        return changed() if status == OUTSIDE else PermissionError(f"The object store refuses{told}")
    return ConnectionError(f"The object store does not answer{told}")
