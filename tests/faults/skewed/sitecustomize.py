"""Python imports this by itself from a folder on PYTHONPATH: the process believes it is SKEW_SECONDS later than it is.

What counts seconds from no date, `time.monotonic` above all, goes on as it was, as it does on a host whose date is off.
"""

import datetime
import os
import time
from typing import Any, Final

SKEW_SECONDS: Final = int(os.environ["SKEW_SECONDS"])

_time, _time_ns = time.time, time.time_ns
_Datetime = datetime.datetime


class _Dates(type):
    """What C code makes are still datetimes."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _Datetime)


class Skewed(_Datetime, metaclass=_Dates):
    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> Any:
        return _Datetime.now(tz) + datetime.timedelta(seconds=SKEW_SECONDS)

    @classmethod
    def utcnow(cls) -> Any:
        return _Datetime.now(datetime.UTC).replace(tzinfo=None) + datetime.timedelta(seconds=SKEW_SECONDS)


time.time = lambda: _time() + SKEW_SECONDS
time.time_ns = lambda: _time_ns() + SKEW_SECONDS * 1_000_000_000
datetime.datetime = Skewed  # type: ignore[misc]  # what the whole process sees from now on
