"""The header fields of a request, found by name at once. A request is looked at a dozen times on its way to a door's
answer, and Starlette's own walk through all fields at each look. Used by what stands before the doors.
"""

from functools import lru_cache
from typing import Any, Final, Self, TypeVar, overload

from starlette.datastructures import Headers
from starlette.requests import Request, empty_receive, empty_send
from starlette.types import Receive, Scope, Send

T = TypeVar("T")

FIELDS: Final = "tidings.fields"
"""Where they lie in the scope, made once for whoever looks."""


class Fields(Headers):
    """Of a field that came twice, the first is found, as Starlette has it."""

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope=scope)
        self._first: dict[bytes, bytes] = dict(reversed(self._list))
        self._repeated = len(self._first) < len(self._list)

    @classmethod
    def of(cls, scope: Scope) -> Self:
        """Those of the request."""
        fields: Self | None = scope.get(FIELDS)
        if fields is None:
            fields = scope[FIELDS] = cls(scope)
        return fields

    @overload
    def get(self, key: str, default: None = None, /) -> str | None: ...
    @overload
    def get(self, key: str, default: str | T, /) -> str | T: ...
    def get(self, key: str, default: Any = None, /) -> Any:
        value = self._first.get(raw(key))
        return default if value is None else value.decode("latin-1")

    def getlist(self, key: str) -> list[str]:
        if self._repeated:
            return super().getlist(key)
        value = self._first.get(raw(key))
        return [] if value is None else [value.decode("latin-1")]

    def __getitem__(self, key: str) -> str:
        return self._first[raw(key)].decode("latin-1")

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and raw(key) in self._first


@lru_cache(maxsize=256)  # of names that doors ask for, or answer with
def raw(name: str) -> bytes:
    """A name as ASGI has it."""
    return name.lower().encode("latin-1")


class FieldsRequest(Request):
    """Starlette's, with these fields."""

    __slots__ = ("headers",)
    headers: Headers

    def __init__(self, scope: Scope, receive: Receive = empty_receive, send: Send = empty_send) -> None:
        super().__init__(scope, receive, send)
        self.headers = Fields.of(scope)
