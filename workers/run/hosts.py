"""Where a handler runs: on the loop, or in a thread. Chosen by `execution.py`; the third is `process.py`."""

import asyncio
import contextvars
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Protocol

from workers.run.ending import Ending, Raised, Returned
from workers.run.entries import Bounds
from workers.run.result import result_text


class Host(Protocol):
    """Runs one handler once; begins when it is made. `ended` is done when nothing of the handler is left."""

    @property
    def ended(self) -> asyncio.Future[Ending]: ...

    def stop(self) -> None:
        """Tell the handler to stop."""

    def kill(self) -> None:
        """Stop it without more ado, as far as that can be done."""


class LoopHost:
    """For `async def`: asyncio's own cancellation stops it."""

    def __init__(self, call: Callable[[], Coroutine[Any, Any, Any]], bounds: Bounds) -> None:
        self.ended = asyncio.ensure_future(self._perform(call, bounds))

    def stop(self) -> None:
        self.ended.cancel()

    def kill(self) -> None:
        self.ended.cancel()

    async def _perform(self, call: Callable[[], Coroutine[Any, Any, Any]], bounds: Bounds) -> Ending:
        try:
            return Returned(result_text(await call(), bounds))
        except BaseException as error:  # SystemExit too: asyncio would end the whole worker with it
            return Raised(error)


class ThreadHost:
    """For `def`: a thread cannot be killed, so it is told by its context, and keeps its slot until it has ended.

    One thread per run, as many as the worker has slots. A daemon, so that one which will not stop cannot keep the
    worker from ending.
    """

    def __init__(self, call: Callable[[], Any], bounds: Bounds) -> None:
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[Ending] = self._loop.create_future()
        context = contextvars.copy_context()
        work = threading.Thread(target=context.run, args=(self._perform, call, bounds), name="handler", daemon=True)
        try:
            work.start()
        except RuntimeError as error:  # the machine has no thread left
            self.ended.set_result(Raised(error))

    def stop(self) -> None:
        """Its context tells it."""

    def kill(self) -> None:
        """There is no way."""

    def _perform(self, call: Callable[[], Any], bounds: Bounds) -> None:
        ending: Ending
        try:
            ending = Returned(result_text(call(), bounds))
        except BaseException as error:
            ending = Raised(error)
        with suppress(RuntimeError):  # the worker has ended without it
            self._loop.call_soon_threadsafe(self.ended.set_result, ending)
