"""Moves of files in threads of their own, so that no quick look at the disk waits behind what the network takes.

Used by the upload door and by the operations of runs. The number of threads bounds what moves at once, and with it the
memory that takes: about 25 MB each with S3, next to nothing on a disk.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any, Final, TypeVar

from app.objects import Told, untold

T = TypeVar("T")

AT_ONCE: Final = 8


class Transfers:
    """One per process."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(AT_ONCE, "transfer")

    async def run(self, move: Callable[..., T], *arguments: Any, told: Told = untold) -> T:
        """`move(*arguments, told)` in a thread. Cancelled, it is given up at its next piece, and never left behind."""
        unwanted = Event()

        def tell(moved: int) -> None:
            if unwanted.is_set():
                raise InterruptedError("the move was given up")
            told(moved)

        pending = self._threads.submit(move, *arguments, tell)
        future = asyncio.wrap_future(pending)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            unwanted.set()
            if not pending.cancel():
                await _over(future)
            raise


async def _over(future: asyncio.Future[Any]) -> None:
    """However often we are cancelled meanwhile."""
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError:
            continue
    future.exception()  # nobody else asks for it
