"""HTTP/1.1: uvicorn's protocol with a way to hang up, a bounded head, and no more of it than the house holds."""

import asyncio
import sys
from collections import deque
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from app.errors import BadRequest, HeadersTooLarge, Refusal, RequestTimeout
from app.hub import Close
from app.server.answer import answer
from app.server.extension import HANG_UP
from app.server.head import check_head, check_target_length
from app.server.occupancy import Guest
from app.server.transport import LINGER_SECONDS, TURNED_AWAY_SECONDS, end, end_with, limit_silence, probe_silence
from app.server.websocket import WebSocketProtocol

if TYPE_CHECKING:
    from app.server.listening import Listening

MOST_HEAD_BYTES: Final = 64 << 10
WEBSOCKET_VERSION: Final = b"13"

NOTHING_BEHIND: Final[deque[Any]] = deque(maxlen=0)
"""The requests behind the last one of a connection; shared by all, as an empty one of its own would take 760 bytes."""


class HttpProtocol(HttpToolsProtocol):
    """One connection, until it is a WebSocket's."""

    config: "Listening"

    # Beside uvicorn's in the instance's dict, these would make it outgrow what instances share, and cost 1.4 kB.
    __slots__ = ("_client", "_deaf", "_guest", "_head_deadline", "_in_head", "_running", "_untold_bytes")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._client = ""
        self._running: RequestResponseCycle | None = None
        self._head_deadline: asyncio.TimerHandle | None = None
        self._in_head = False
        self._untold_bytes = 0
        self._deaf = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._guest = Guest(self.config.occupancy, self.client[0] if self.client else "", transport.abort)
        try:
            self._guest.enter()
        except Refusal as refusal:
            return self._turn_away(refusal)
        self._await_head()
        probe_silence(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._guest.leave()
        self._stop_awaiting_head()
        super().connection_lost(exc)
        if self._running is not None and self._answering:  # uvicorn tells only the latest request
            self._running.disconnected = True
            self._running.message_event.set()

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        self._untold_bytes += len(data)
        super().data_received(data)
        self._heed_rest()

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
        if client := self._guest.ask(self.headers):
            self._client, self.scope["client"] = client, (client, 0)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._untold_bytes = 0
        super().on_body(body)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._answering and not self.transport.is_closing():
            self._guest.wait()

    def handle_websocket_upgrade(self) -> None:
        self._deaf = True
        if self._answering:  # the new protocol would never tell the old request that its client is gone
            return end(self.loop, self.transport)
        if dict(self.headers).get(b"sec-websocket-version") != WEBSOCKET_VERSION:
            return self._refuse(_other_version())
        frames_per_second = self.config.occupancy.limits.frames_per_second
        made = partial(WebSocketProtocol, self._guest, self._client, frames_per_second)
        self.ws_protocol_class = made  # type: ignore[assignment]  # uvicorn only calls it
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

    def _heed_rest(self) -> None:
        """What has come is read; there may be a head among it that has only begun."""
        if self._deaf:
            return
        if self._untold_bytes > MOST_HEAD_BYTES:
            self._refuse(_too_large())
        elif not self._answering:
            self._await_head()

    def _await_head(self) -> None:
        if self._head_deadline is None:
            self._head_deadline = self.loop.call_later(self.config.occupancy.limits.head_seconds, self._head_is_late)

    def _stop_awaiting_head(self) -> None:
        if self._head_deadline is not None:
            self._head_deadline.cancel()
            self._head_deadline = None

    def _head_is_late(self) -> None:
        if self._in_head:
            self._refuse(RequestTimeout("The head of the request did not come to its end in time."))
        else:
            end(self.loop, self.transport)

    def _turn_away(self, refusal: Refusal) -> None:
        """Its request is not even read."""
        self._deaf = True
        if self._guest.may_linger():
            self._say(refusal, TURNED_AWAY_SECONDS)
        else:
            self.transport.abort()

    def _refuse(self, refusal: Refusal) -> None:
        """Answer and end."""
        self._deaf = True
        self._stop_awaiting_head()
        if unanswered := self._awaiting_body:
            unanswered.disconnected = True  # its door learns that no more will come, and is not heard any more
            unanswered.message_event.set()
        elif self.transport.is_closing():
            return end(self.loop, self.transport)
        elif self._answering:  # what is broken stands behind a request that is to have its answer
            return self._read_no_more_requests()
        self._say(refusal, LINGER_SECONDS)

    def _say(self, refusal: Refusal, linger_seconds: float) -> None:
        end_with(self.loop, self.transport, answer(refusal, self.server_state.default_headers), linger_seconds)

    def _expect_reader(self) -> None:
        """A stream is its connection's last answer. What the client sends behind its request is dropped, not kept:
        with reading paused, as uvicorn has it for a second request, nobody would see it leave. Raises Full."""
        self._guest.stream()
        limit_silence(self.transport)
        self._read_no_more_requests()

    def _read_no_more_requests(self) -> None:
        self._deaf = True
        if self._running is not None:
            self._running.keep_alive = False
        self.pipeline = NOTHING_BEHIND
        self.flow.resume_reading()

    def _hang_up(self, close: Close) -> None:
        end(self.loop, self.transport, close)


def _too_large() -> HeadersTooLarge:
    return HeadersTooLarge(f"The most is {MOST_HEAD_BYTES} bytes.", max_bytes=MOST_HEAD_BYTES)


def _other_version() -> BadRequest:
    version = WEBSOCKET_VERSION.decode()
    detail = f"A WebSocket here is one of version {version} (RFC 6455 section 4.4)."
    return BadRequest(detail, headers={"Sec-WebSocket-Version": version}, header="Sec-WebSocket-Version")
