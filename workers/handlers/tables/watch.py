"""A query that can be watched and stopped: it runs in a thread, and this one tells how far DuckDB says it is."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Final, TypeVar

import duckdb

T = TypeVar("T")

POLL_SECONDS: Final = 0.1
INTERRUPT_SECONDS: Final = 0.02


def watched(
    connection: duckdb.DuckDBPyConnection, work: Callable[[], T], tell: Callable[[float, float | None], None]
) -> T:
    """What the work returns or raises. `tell` gets percent and the seconds left, once they can be guessed.

    Whatever `tell` raises, Cancelled above all, interrupts the query and is raised when that has ended.
    """
    began = time.monotonic()
    with ThreadPoolExecutor(1, "query") as pool:
        working = pool.submit(work)
        try:
            while not wait([working], POLL_SECONDS).done:
                percent = connection.query_progress()
                if percent > 0:
                    tell(percent, _left(percent, time.monotonic() - began))
        except BaseException:
            while not wait([working], INTERRUPT_SECONDS).done:  # one that comes before the query has begun is lost
                connection.interrupt()
            raise
    return working.result()


def _left(percent: float, seconds: float) -> float | None:
    return seconds * (100 - percent) / percent if percent >= 1 and seconds >= 1 else None
