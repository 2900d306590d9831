"""Methods of both faces, written once: as steps (`operations.py`). A face that blocks gives what they come to, or what
they tell, and an async one an awaitable of it, or an async iterator.
"""

from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from app.client.steps import Json, Steps

if TYPE_CHECKING:
    from app.client.asynchronous import AsyncClient
    from app.client.client import Client

P = ParamSpec("P")
T = TypeVar("T")


class operation(Generic[P, T]):
    """A method that comes to something."""

    def __init__(self, steps: Callable[Concatenate[Any, P], Steps[T]]) -> None:
        self._steps = steps
        self.__doc__ = steps.__doc__

    @overload
    def __get__(self, face: "Client", owner: type[Any]) -> Callable[P, T]: ...

    @overload
    def __get__(self, face: "AsyncClient", owner: type[Any]) -> Callable[P, Coroutine[Any, Any, T]]: ...

    def __get__(self, face: Any, owner: type[Any]) -> Any:
        """The method of one face."""
        return self if face is None else wraps(self._steps)(lambda *a, **k: face.come_to(self._steps(face, *a, **k)))


class telling(Generic[P]):
    """A method that tells one thing after the other."""

    def __init__(self, steps: Callable[Concatenate[Any, P], Steps[None]]) -> None:
        self._steps = steps
        self.__doc__ = steps.__doc__

    @overload
    def __get__(self, face: "Client", owner: type[Any]) -> Callable[P, Generator[Json]]: ...

    @overload
    def __get__(self, face: "AsyncClient", owner: type[Any]) -> Callable[P, AsyncGenerator[Json]]: ...

    def __get__(self, face: Any, owner: type[Any]) -> Any:
        """The method of one face."""
        return self if face is None else wraps(self._steps)(lambda *a, **k: face.listen_to(self._steps(face, *a, **k)))
