"""The HTTP server: uvicorn, owned by us, so that streams end in good order and no client holds more than its share.

Started by `app/main.py`. Nothing of uvicorn is patched; what differs is subclassed here:
1. each connection's scope carries functions to end it without waiting for a client that does not read;
2. the head of a request has a bound and a deadline; what breaks them is refused as a problem like any other;
3. a request whose client is gone always learns it, whatever the client has sent behind it;
4. SIGTERM and SIGINT first let `drain` end the streams, then stop the server, within one grace; the exit code is 0.
"""

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable
from itertools import chain
from types import FrameType
from typing import Any, Final

import uvicorn
from pydantic_core import to_json
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame
from websockets.http11 import Request
from websockets.protocol import State

from app.errors import BadRequest, HeadersTooLarge, Refusal, RequestTimeout
from app.head import check_head, check_target_length
from app.hub import Close

HANG_UP: Final = "tidings.hang_up"
"""The scope extension: `call` is a function of one Close, `expect_reader` one of nothing, for when a stream begins."""

READER_TIMEOUT_MS: Final = 30_000
"""Longer than the hub waits for a client that is only slow (`app/hub/writer.py`), which is to hear why it is closed."""

KEEP_ALIVE_PROBES: Final = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}
LINGER_SECONDS: Final = 5.0
RESTART_LINGER_SECONDS: Final = 0.5
HEAD_SECONDS: Final = 20.0
MOST_HEAD_BYTES: Final = 64 << 10
MOST_FRAME_BYTES: Final = 64 << 10
MOST_FRAGMENTS: Final = 1_024
"""Of one message: empty ones count for nothing in its bytes, but are kept until it is whole."""

MOST_UNREAD_BYTES: Final = 64 << 10
"""Of answers to pings; who pings and does not read is not to fill our memory."""

STOP_SECONDS: Final = 0.3
"""Of the grace, what is kept for the end: hung up on, requests may still unwind, and uvicorn looks every 0.1 s."""


class HttpProtocol(HttpToolsProtocol):
    """HTTP/1.1 with a way to hang up and a bounded head."""

    _running: RequestResponseCycle | None = None
    _head_deadline: asyncio.TimerHandle | None = None
    _in_head = False
    _untold_bytes = 0
    _deaf = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._await_head()
        _probe_silence(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_awaiting_head()
        super().connection_lost(exc)
        if self._running is not None and self._answering:  # uvicorn tells only the latest request
            self._running.disconnected = True
            self._running.message_event.set()

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        if not self._answering:
            self._await_head()
        self._untold_bytes += len(data)
        super().data_received(data)
        if self._untold_bytes > MOST_HEAD_BYTES and not self._deaf:  # of a head that does not end
            self._refuse(_too_large())

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True
        self.scope["extensions"] = {HANG_UP: {"call": self._hang_up, "expect_reader": self._expect_reader}}

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        check_target_length(len(self.url))

    def on_headers_complete(self) -> None:
        if len(self.url) + sum(map(len, chain.from_iterable(self.headers))) > MOST_HEAD_BYTES:
            raise _too_large()
        self._in_head, self._untold_bytes = False, 0
        self.scope["headers"] = self.headers.copy()  # a trailer is no header (RFC 9110 section 6.5.1)
        self._stop_awaiting_head()
        check_head(self.parser.get_http_version(), self.url, self.headers)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._untold_bytes = 0
        super().on_body(body)

    def handle_websocket_upgrade(self) -> None:
        if self._answering:  # the new protocol would never tell the old request that its client is gone
            _end(self.loop, self.transport)
        else:
            super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        """Called by uvicorn, which handles the error, when the parser or a callback above gives up."""
        error = sys.exception()
        cause = error and error.__context__
        refusal = cause if isinstance(cause, Refusal) else BadRequest(f"This is not HTTP (RFC 9112): {cause or error}.")
        self._refuse(refusal)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    @property
    def _answering(self) -> bool:
        return self._running is not None and not self._running.response_complete

    @property
    def _awaiting_body(self) -> RequestResponseCycle | None:
        """The latest request, while its body comes and nothing of an answer has left: a refusal can be that answer."""
        running = self._running
        if running is None or running is not self.cycle or not running.more_body or running.response_started:
            return None
        return running

    def _await_head(self) -> None:
        if self._head_deadline is None:
            self._head_deadline = self.loop.call_later(HEAD_SECONDS, self._head_is_late)

    def _stop_awaiting_head(self) -> None:
        if self._head_deadline is not None:
            self._head_deadline.cancel()
            self._head_deadline = None

    def _head_is_late(self) -> None:
        if self._in_head:
            self._refuse(RequestTimeout("The head of the request did not come to its end in time."))
        else:
            _end(self.loop, self.transport)

    def _refuse(self, refusal: Refusal) -> None:
        """Answer and end. What still comes is read and dropped: a reset could overtake the answer (RFC 9112 9.6)."""
        self._deaf = True
        self._stop_awaiting_head()
        if unanswered := self._awaiting_body:
            unanswered.disconnected = True  # its door learns that no more will come, and is not heard any more
            unanswered.message_event.set()
        elif self.transport.is_closing():
            return _end(self.loop, self.transport)
        elif self._answering:  # what is broken stands behind a request that is to have its answer
            return self._read_no_more_requests()
        self.transport.write(_answer(refusal, self.server_state.default_headers))
        self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.abort)

    def _expect_reader(self) -> None:
        """A stream is its connection's last answer. What the client sends behind its request is dropped, not kept:
        with reading paused, as uvicorn has it for a second request, nobody would see it leave."""
        _limit_silence(self.transport)
        self._read_no_more_requests()

    def _read_no_more_requests(self) -> None:
        self._deaf = True
        if self._running is not None:
            self._running.keep_alive = False
        self.pipeline.clear()
        self.flow.resume_reading()

    def _hang_up(self, close: Close) -> None:
        _end(self.loop, self.transport, close)


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """WebSockets with a way to hang up: the close code is written behind what the client has not read yet."""

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if hasattr(self, "scope"):
            self.scope["extensions"][HANG_UP] = {"call": self._hang_up, "expect_reader": self._expect_reader}

    def shutdown(self) -> None:
        """uvicorn would write a Close even behind the one that answered the client's, which raises."""
        if self.handshake_complete:
            self._hang_up(Close.RESTARTING)
        else:
            super().shutdown()

    def handle_cont(self, event: Frame) -> None:
        if self.close_sent:
            return
        if len(self.frames) < MOST_FRAGMENTS:
            return super().handle_cont(event)
        self.conn.fail(CloseCode.MESSAGE_TOO_BIG, "too many fragments")
        self.handle_parser_exception()

    def handle_ping(self) -> None:
        """Pongs may be left out while earlier ones are under way (RFC 6455 section 5.5.2)."""
        pong = b"".join(self.conn.data_to_send())
        if self.conn.state is not State.OPEN or self.transport.get_write_buffer_size() <= MOST_UNREAD_BYTES:
            self.transport.write(pong)

    def _expect_reader(self) -> None:
        _limit_silence(self.transport)

    def _hang_up(self, close: Close) -> None:
        if self.conn.state is State.OPEN and not self.transport.is_closing():
            self.conn.send_close(int(close), close.reason)
            self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        _end(self.loop, self.transport, close)


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


def config(app: Any, host: str, port: int) -> uvicorn.Config:
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
        proxy_headers=False,  # nobody asks who the client is
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=30,
    )


def _too_large() -> HeadersTooLarge:
    return HeadersTooLarge(f"The most is {MOST_HEAD_BYTES} bytes.", max_bytes=MOST_HEAD_BYTES)


def _answer(refusal: Refusal, headers: list[tuple[bytes, bytes]]) -> bytes:
    body = to_json(refusal.problem())
    fields = [
        *headers,
        (b"content-type", b"application/problem+json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        (b"connection", b"close"),
    ]
    return b"".join([STATUS_LINE[refusal.status], *(b"%s: %s\r\n" % field for field in fields), b"\r\n", body])


def _probe_silence(transport: asyncio.Transport) -> None:
    """A vanished peer is noticed in about a minute, one that only pauses its download stays."""
    if peer := _tcp(transport):
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in KEEP_ALIVE_PROBES.items():
            if hasattr(socket, name):  # macOS names the first otherwise
                peer.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _limit_silence(transport: asyncio.Transport) -> None:
    """RFC 5482: who takes nothing of a stream for so long is cut off. Linux alone has it."""
    if (peer := _tcp(transport)) and hasattr(socket, "TCP_USER_TIMEOUT"):
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, READER_TIMEOUT_MS)


def _tcp(transport: asyncio.Transport) -> socket.socket | None:
    """Its socket; None for a Unix socket, and for one whose client has left."""
    peer: socket.socket | None = transport.get_extra_info("socket")
    internet = peer is not None and peer.family in (socket.AF_INET, socket.AF_INET6)
    return peer if internet and not transport.is_closing() else None


def _end(loop: asyncio.AbstractEventLoop, transport: asyncio.Transport, close: Close | None = None) -> None:
    """What was written may still go out for a moment; a client that reads nothing even then is cut off."""
    transport.close()
    loop.call_later(RESTART_LINGER_SECONDS if close is Close.RESTARTING else LINGER_SECONDS, transport.abort)
