"""The HTTP server: uvicorn, owned by us, so that streams end in good order and a client that hangs can be hung up on.

Started by `app/main.py`. Nothing of uvicorn is patched; what differs is subclassed here:
1. each connection's scope carries a function that ends it without waiting for a client that does not read;
2. the kernel gives up on a vanished peer after half a minute instead of a quarter of an hour;
3. SIGTERM and SIGINT first let `drain` end the streams, then stop the server, and the exit code is 0.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from app.hub import Close

HANG_UP: Final = "tidings.hang_up"
"""The scope extension; its `call` is a function of one Close."""

PEER_TIMEOUT_MS: Final = 30_000
LINGER_SECONDS: Final = 5.0
MOST_FRAME_BYTES: Final = 64 << 10


class HttpProtocol(HttpToolsProtocol):
    """HTTP/1.1 with a way to hang up."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        _limit_silence(transport)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {HANG_UP: {"call": self._hang_up}}

    def _hang_up(self, _: Close) -> None:
        _end(self.loop, self.transport)


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """WebSockets with a way to hang up: the close code is written behind what the client has not read yet."""

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if hasattr(self, "scope"):
            self.scope["extensions"][HANG_UP] = {"call": self._hang_up}

    def _hang_up(self, close: Close) -> None:
        if not self.close_sent:
            self.close_sent = True
            self.conn.send_close(int(close), close.reason)
            self.transport.write(b"".join(self.conn.data_to_send()))
        _end(self.loop, self.transport)


class Server(uvicorn.Server):
    """`drain` ends the streams; a second signal stops at once."""

    def __init__(self, config: uvicorn.Config, drain: Callable[[], Awaitable[None]]) -> None:
        super().__init__(config)
        self._drain = drain
        self._draining: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._loop.call_soon_threadsafe(self._stop)

    def _stop(self) -> None:
        if self._draining is None:
            self._draining = self._loop.create_task(self._drain_then_exit())
        else:
            self.should_exit = self.force_exit = True

    async def _drain_then_exit(self) -> None:
        try:
            await self._drain()
        finally:
            self.should_exit = True


def config(app: Any, host: str, port: int, grace_seconds: float) -> uvicorn.Config:
    """How uvicorn is to run the app: no compression, bounded frames, half-open WebSockets noticed by pings."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=HttpProtocol,
        ws=WebSocketProtocol,
        ws_max_size=MOST_FRAME_BYTES,
        ws_per_message_deflate=False,
        ws_ping_interval=15,
        ws_ping_timeout=15,
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=max(1, round(grace_seconds)),
        h11_max_incomplete_event_size=None,
    )


def _limit_silence(transport: asyncio.Transport) -> None:
    """RFC 5482; Linux alone has it, elsewhere keep-alive comments meet the kernel's own limit."""
    peer = transport.get_extra_info("socket")
    if peer is not None and peer.family != socket.AF_UNIX and hasattr(socket, "TCP_USER_TIMEOUT"):
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, PEER_TIMEOUT_MS)


def _end(loop: asyncio.AbstractEventLoop, transport: asyncio.Transport) -> None:
    """What was written may still go out for a moment; a client that reads nothing even then is cut off."""
    transport.close()
    loop.call_later(LINGER_SECONDS, transport.abort)
