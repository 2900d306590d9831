"""The face that is awaited. What it can do is in `operations.py`; here is how it does it."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack
from typing import Any, Self, TypeVar

import httpx

from app.client.errors import ClientError
from app.client.operations import Operations
from app.client.steps import Call, Conversation, Do, Json, Open, Pause, Read, Reply, Step, Steps, Tell
from app.client.wire import STREAMED, checked, manner, reaching, reply, request

T = TypeVar("T")


class AsyncClient(Operations):
    """As `Client`, on an event loop: its methods are awaited, and followed by `async for`. Any number at once."""

    def __init__(self, url: str, *, api_key: str = "", timeout: float = 30, silence: float = 45) -> None:
        self.url = checked(url)
        self._silence = httpx.Timeout(timeout, read=silence)
        self._http = httpx.AsyncClient(**manner(self.url, timeout, api_key))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()

    async def come_to(self, steps: Steps[T]) -> T:
        """What steps come to."""
        conversation = Conversation(steps)
        async for _ in self._told(conversation):
            pass
        return conversation.outcome

    async def listen_to(self, steps: Steps[None]) -> AsyncGenerator[Json]:
        """What steps tell."""
        told = self._told(Conversation(steps))
        try:
            async for each in told:
                yield each
        finally:
            await told.aclose()

    async def _told(self, conversation: Conversation[Any]) -> AsyncGenerator[Json]:
        async with Line(self._http, self.url, self._silence) as line:
            try:
                step = conversation.answered()
                while step is not None:
                    if isinstance(step, Tell):
                        yield step.told
                        step = conversation.answered()
                        continue
                    try:
                        answer = await line.carry_out(step)
                    except (ClientError, OSError) as error:
                        step = conversation.failed(error)
                    else:
                        step = conversation.answered(answer)
            finally:
                conversation.close()


class Line:
    """Carries out the steps of one conversation."""

    def __init__(self, http: httpx.AsyncClient, url: str, silence: httpx.Timeout) -> None:
        self._http = http
        self._url = url
        self._silence = silence
        self._opened = AsyncExitStack()
        self._chunks: AsyncIterator[bytes] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._opened.aclose()

    async def carry_out(self, step: Step) -> Any:
        """What the step gives. Raises Unreachable, and what a `Do` raises."""
        match step:
            case Call():
                return await self._call(step)
            case Open(call):
                return await self._open(call)
            case Read():
                assert self._chunks is not None
                with reaching(self._url):
                    return await anext(self._chunks, b"")
            case Pause(seconds):
                await asyncio.sleep(seconds)
            case Do(work):
                return await asyncio.to_thread(work)
        return None

    async def _call(self, call: Call) -> Reply:
        with reaching(self._url):
            response = await self._http.request(**request(call))
            return reply(response, response.content)

    async def _open(self, call: Call) -> Reply:
        await self._opened.aclose()
        with reaching(self._url):
            stream = self._http.stream(**request(call), timeout=self._silence, follow_redirects=True)
            response = await self._opened.enter_async_context(stream)
            if response.status_code not in STREAMED:
                return reply(response, await response.aread())
            self._chunks = response.aiter_bytes()
            return reply(response)
