"""Methods of both faces, written once: as coroutines and async generators over a wire (`wire.py`).

`AsyncClient` hands them on as they are. `Client` has a wire that blocks, so none of them ever waits for a loop: it
runs them on the spot, by the first `send`.
"""

from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from app.client.wire import Json

if TYPE_CHECKING:
    from app.client.asynchronous import AsyncClient
    from app.client.client import Client

P = ParamSpec("P")
T = TypeVar("T")


def finished(coroutine: Coroutine[Any, Any, T]) -> T:
    """What a coroutine comes to that needs no event loop."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        outcome: T = end.value
        return outcome
    raise RuntimeError("a wire that blocks has not blocked")


def told(telling: AsyncGenerator[Json]) -> Generator[Json]:
    """What an async generator tells that needs none."""
    try:
        while True:
            yield finished(telling.__anext__())
    except StopAsyncIteration:
        pass
    finally:
        finished(telling.aclose())


class operation(Generic[P, T]):
    """A method that comes to something."""

    def __init__(self, method: Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]) -> None:
        self._method = method
        self.__doc__ = method.__doc__

    @overload
    def __get__(self, face: "Client", owner: type[Any]) -> Callable[P, T]: ...

    @overload
    def __get__(self, face: "AsyncClient", owner: type[Any]) -> Callable[P, Coroutine[Any, Any, T]]: ...

    def __get__(self, face: Any, owner: type[Any]) -> Any:
        """The method of one face."""
        return self if face is None else wraps(self._method)(lambda *a, **k: face.come_to(self._method(face, *a, **k)))


class telling(Generic[P]):
    """A method that tells one thing after the other."""

    def __init__(self, method: Callable[Concatenate[Any, P], AsyncGenerator[Json]]) -> None:
        self._method = method
        self.__doc__ = method.__doc__

    @overload
    def __get__(self, face: "Client", owner: type[Any]) -> Callable[P, Generator[Json]]: ...

    @overload
    def __get__(self, face: "AsyncClient", owner: type[Any]) -> Callable[P, AsyncGenerator[Json]]: ...

    def __get__(self, face: Any, owner: type[Any]) -> Any:
        """The method of one face."""
        return (
            self if face is None else wraps(self._method)(lambda *a, **k: face.listen_to(self._method(face, *a, **k)))
        )
