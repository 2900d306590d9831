"""A coroutine begun by hand, as it is nearly always done at once: then it needs no task and no timer.

try:
    suspended_at = coroutine.send(None)
except StopIteration as done:
    return done.value
return await Begun(coroutine, suspended_at)
"""

from collections.abc import Coroutine, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Begun(Generic[T]):
    """The rest of a coroutine that has suspended, to be awaited.

    It first yields the very future the coroutine stopped at, so that the task waits for that one.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, T], suspended_at: Any) -> None:
        self._coroutine = coroutine
        self._suspended_at = suspended_at

    def __await__(self) -> Generator[Any, Any, T]:
        yielded = self._suspended_at
        try:
            while True:
                try:
                    sent = yield yielded
                except BaseException as error:  # a cancellation above all: the coroutine's to handle
                    yielded = self._coroutine.throw(error)
                else:
                    yielded = self._coroutine.send(sent)
        except StopIteration as done:
            result: T = done.value
            return result
