"""Four ways to wait that asyncio leaves out. Used where a run's files, processes and tasks must not be left alone."""

import asyncio
from collections.abc import Callable, Collection, Coroutine
from typing import Any, Final, ParamSpec, TypeVar

AGAIN_SECONDS: Final = 0.1

P = ParamSpec("P")
T = TypeVar("T")


async def to_the_end(future: asyncio.Future[T]) -> T:
    """Its result; being cancelled meanwhile takes effect when it has ended."""
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
    return future.result()


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Like `asyncio.to_thread`, but never leaves the thread behind."""
    return await to_the_end(asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs)))


async def together(*coroutines: Coroutine[Any, Any, None]) -> None:
    """All of them; when one fails the others are cancelled, and its error is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            for coroutine in coroutines:
                group.create_task(coroutine)
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None


async def gone(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel them until they heed it: before Python 3.12 `wait_for`, which redis-py uses, may swallow a cancel."""
    remaining = set(tasks)
    while remaining:
        for task in remaining:
            task.cancel()
        _, remaining = await asyncio.wait(remaining, timeout=AGAIN_SECONDS)
