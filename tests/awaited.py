"""Both faces of the client, for tests that are to hold of each: `face` is either, used as the one that blocks."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from typing import Any, Final, Self

import pytest

from app.client import AsyncClient, Client

TELLING: Final = ("follow", "jobs", "feed", "deliveries")


class Awaited:
    """The async face used as the other one, so that each test is of both."""

    def __init__(self, url: str, **options: Any) -> None:
        self._runner = asyncio.Runner()
        self._client = AsyncClient(url, **options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._client.aclose())
        self._runner.close()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        if not callable(method) or name == "absolute":
            return method
        act = self._told if name.startswith(TELLING) else self._runner.run
        return lambda *a, **k: act(method(*a, **k))

    def _told(self, told: AsyncGenerator[Any]) -> Iterator[Any]:
        end = object()
        try:
            while (each := self._runner.run(_next(told, end))) is not end:
                yield each
        finally:
            self._runner.run(told.aclose())


async def _next(told: AsyncGenerator[Any], end: object) -> Any:
    return await anext(told, end)


@pytest.fixture(params=[Client, Awaited])
def face(request: pytest.FixtureRequest) -> Any:
    """Makes a client."""
    return request.param
