"""The face that blocks, and its wire. What it can do is in `operations.py`."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Self, TypeVar

import httpx

from app.client.faces import finished, told
from app.client.operations import Operations
from app.client.transport import STREAMED, checked, manner, patience, reaching, reply, request
from app.client.wire import Call, Read, Reply

T = TypeVar("T")


class Client(Operations):
    """Talks to one service. Use it as a context manager, from one thread.

    `timeout` and `silence` are seconds: how long a request may wait for its answer, and after how much quiet a stream,
    which has a comment every 15 s, counts as dead. `api_key` is shown to the service; a JWT or a browser token does as
    well. Raises ValueError for a URL that is none.
    """

    wire: "BlockingWire"
    come_to = staticmethod(finished)
    listen_to = staticmethod(told)

    def __init__(self, url: str, *, api_key: str = "", timeout: float = 30, silence: float = 45) -> None:
        self.wire = BlockingWire(checked(url), api_key, timeout, silence)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self.wire.http.close()


class BlockingWire:
    """Its coroutines never suspend."""

    def __init__(self, url: str, api_key: str, timeout: float, silence: float) -> None:
        self.url = url
        self.http = httpx.Client(**manner(url, timeout, api_key))
        self._timeout = timeout
        self._silence = httpx.Timeout(timeout, read=silence)

    async def call(self, call: Call) -> Reply:
        with reaching(self.url):
            response = self.http.request(**request(call), timeout=patience(call, self._timeout))
            return reply(response, response.content)

    @asynccontextmanager
    async def opened(self, call: Call) -> AsyncIterator[tuple[Reply, Read]]:
        with reaching(self.url):
            asked = self.http.build_request(**request(call), timeout=self._silence)
            response = self.http.send(asked, stream=True, follow_redirects=True)
        chunks = response.iter_bytes()

        async def read() -> bytes:
            with reaching(self.url):
                return next(chunks, b"")

        try:
            with reaching(self.url):
                body = b"" if response.status_code in STREAMED else response.read()
            yield reply(response, body), read
        finally:
            response.close()

    async def pause(self, seconds: float) -> None:
        time.sleep(seconds)  # noqa: ASYNC251  there is no loop to hold up

    async def do(self, work: Callable[[], T]) -> T:
        return work()
