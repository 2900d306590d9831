"""How the server stops: the streams are ended first, then the requests, all within one grace."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Final

import uvicorn

STOP_SECONDS: Final = 0.3
"""Of the grace, what is kept for the end: hung up on, requests may still unwind, and uvicorn looks every 0.1 s."""


class Server(uvicorn.Server):
    """`drain` ends the streams in the seconds it is given, half the grace; a second signal stops at once."""

    def __init__(self, config: uvicorn.Config, drain: Callable[[float], Awaitable[None]], grace_seconds: float) -> None:
        super().__init__(config)
        self._drain = drain
        self._grace_seconds = grace_seconds
        self._draining: asyncio.Task[None] | None = None
        self._deadline: float

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        asyncio.get_running_loop().call_soon_threadsafe(self._stop)

    def _stop(self) -> None:
        if self._draining is None:
            self._deadline = asyncio.get_running_loop().time() + self._grace_seconds
            self._draining = asyncio.create_task(self._drain_then_exit())
        else:
            self.should_exit = self.force_exit = True
            self._draining.cancel()

    async def _drain_then_exit(self) -> None:
        try:
            async with asyncio.timeout_at(self._deadline):
                await self._drain(self._grace_seconds / 2)
        finally:
            self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Requests may end in what is left of the grace; then they are hung up on, at last cancelled."""
        loop = asyncio.get_running_loop()
        seconds = self._grace_seconds
        if self._draining is not None:
            await asyncio.wait([self._draining])
            seconds = self._deadline - loop.time()
        left = 0 if self.force_exit else max(0, seconds - STOP_SECONDS)
        loop.call_later(left, self._hang_up_on_all)
        self.config.timeout_graceful_shutdown = left + STOP_SECONDS / 2  # type: ignore[assignment]  # asyncio takes it
        await super().shutdown(sockets)

    def _hang_up_on_all(self) -> None:
        for connection in list(self.server_state.connections):
            connection.transport.abort()
