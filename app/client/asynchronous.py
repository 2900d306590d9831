"""The face that is awaited, and its wire. What it can do is in `operations.py`."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Self, TypeVar

import httpx

from app.client.operations import Operations
from app.client.transport import STREAMED, checked, manner, patience, reaching, reply, request
from app.client.wire import Call, Json, Read, Reply

T = TypeVar("T")


class AsyncClient(Operations):
    """As `Client`, on an event loop: its methods are awaited, and followed by `async for`. Any number at once."""

    wire: "AsyncWire"

    def __init__(self, url: str, *, api_key: str = "", timeout: float = 30, silence: float = 45) -> None:
        self.wire = AsyncWire(checked(url), api_key, timeout, silence)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Let go of the connections."""
        await self.wire.http.aclose()

    @staticmethod
    def come_to(coroutine: Coroutine[Any, Any, T]) -> Coroutine[Any, Any, T]:
        """To be awaited."""
        return coroutine

    @staticmethod
    def listen_to(telling: AsyncGenerator[Json]) -> AsyncGenerator[Json]:
        """To be gone through."""
        return telling


class AsyncWire:
    """Waits on the loop it is used in."""

    def __init__(self, url: str, api_key: str, timeout: float, silence: float) -> None:
        self.url = url
        self.http = httpx.AsyncClient(**manner(url, timeout, api_key))
        self._timeout = timeout
        self._silence = httpx.Timeout(timeout, read=silence)

    async def call(self, call: Call) -> Reply:
        with reaching(self.url):
            response = await self.http.request(**request(call), timeout=patience(call, self._timeout))
            return reply(response, response.content)

    @asynccontextmanager
    async def opened(self, call: Call) -> AsyncIterator[tuple[Reply, Read]]:
        with reaching(self.url):
            asked = self.http.build_request(**request(call), timeout=self._silence)
            response = await self.http.send(asked, stream=True, follow_redirects=True)
        chunks = response.aiter_bytes()

        async def read() -> bytes:
            with reaching(self.url):
                return await anext(chunks, b"")

        try:
            with reaching(self.url):
                body = b"" if response.status_code in STREAMED else await response.aread()
            yield reply(response, body), read
        finally:
            await response.aclose()

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def do(self, work: Callable[[], T]) -> T:
        return await asyncio.to_thread(work)
