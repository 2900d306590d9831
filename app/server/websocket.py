"""WebSockets: uvicorn's protocol with a way to hang up, and a bound to how fast a client may talk."""

from typing import Any, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame
from websockets.http11 import Request
from websockets.protocol import State

from app.hub import Close
from app.server.budget import Budget
from app.server.extension import HANG_UP
from app.server.occupancy import Guest
from app.server.transport import end, limit_silence

MOST_FRAGMENTS: Final = 1_024
"""Of one message: empty ones count for nothing in its bytes, but are kept until it is whole."""

MOST_UNREAD_BYTES: Final = 64 << 10
"""Of answers to pings; who pings and does not read is not to fill our memory."""


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """One connection that was HTTP before. A close code is written behind what the client has not read yet.

    `client` is whom a proxy says it is for, else "".
    """

    def __init__(self, guest: Guest, client: str, frames_per_second: float, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self._guest = guest
        self._client = client
        self._budget = Budget(frames_per_second, self.loop.time())

    def connection_lost(self, exc: Exception | None) -> None:
        self._guest.leave()
        super().connection_lost(exc)

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if hasattr(self, "scope"):
            self.scope["extensions"][HANG_UP] = {
                "call": self._hang_up,
                "expect_reader": self._expect_reader,
                "unknown": self._guest.unknown,
            }
            if self._client:
                self.scope["client"] = (self._client, 0)

    def handle_events(self) -> None:
        """Frames that came too fast are not looked at; pings count too, since each is answered."""
        if self._budget.takes(len(self.conn.events), self.loop.time()):
            super().handle_events()
        else:
            self.conn.events.clear()
            self._hang_up(Close.TOO_FAST)

    def shutdown(self) -> None:
        """uvicorn would write a Close even behind the one that answered the client's, which raises. One that is not
        accepted yet is turned away; the app hears of that when it accepts it, or uvicorn would refuse it once more."""
        if self.handshake_complete:
            self._hang_up(Close.RESTARTING)
        else:
            super().shutdown()
            self.disconnected = True

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
        self._guest.socket()
        limit_silence(self.transport)

    def _hang_up(self, close: Close) -> None:
        if self.conn.state is State.OPEN and not self.transport.is_closing():
            self.conn.send_close(int(close), close.reason)
            self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        end(self.loop, self.transport, close)
