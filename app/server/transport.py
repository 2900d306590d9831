"""What we ask of a connection's transport: to notice a client that is gone, and to end for one that does not read."""

import asyncio
import socket
from typing import Final

from app.hub import Close

READER_TIMEOUT_MS: Final = 30_000
"""Longer than the hub waits for a client that is only slow (`app/hub/writer.py`), which is to hear why it is closed."""

KEEP_ALIVE_PROBES: Final = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}
LINGER_SECONDS: Final = 5.0
RESTART_LINGER_SECONDS: Final = 0.5
TURNED_AWAY_SECONDS: Final = 1.0
"""How long who was not let in may take to hear why."""


def probe_silence(transport: asyncio.Transport) -> None:
    """A vanished peer is noticed in about a minute, one that only pauses its download stays."""
    if peer := _tcp(transport):
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in KEEP_ALIVE_PROBES.items():
            if hasattr(socket, name):  # macOS names the first otherwise
                peer.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def limit_silence(transport: asyncio.Transport) -> None:
    """RFC 5482: who takes nothing of a stream for so long is cut off. Linux alone has it."""
    if (peer := _tcp(transport)) and hasattr(socket, "TCP_USER_TIMEOUT"):
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, READER_TIMEOUT_MS)


def end(loop: asyncio.AbstractEventLoop, transport: asyncio.Transport, close: Close | None = None) -> None:
    """What was written may still go out for a moment; a client that reads nothing even then is cut off."""
    transport.close()
    loop.call_later(RESTART_LINGER_SECONDS if close is Close.RESTARTING else LINGER_SECONDS, transport.abort)


def end_with(loop: asyncio.AbstractEventLoop, transport: asyncio.Transport, answer: bytes, seconds: float) -> None:
    """Say that and end. What still comes is to be dropped: a reset could overtake the answer (RFC 9112 9.6)."""
    transport.write(answer)
    transport.write_eof()
    loop.call_later(seconds, transport.abort)


def _tcp(transport: asyncio.Transport) -> socket.socket | None:
    """Its socket; None for a Unix socket, and for one whose client has left."""
    peer: socket.socket | None = transport.get_extra_info("socket")
    internet = peer is not None and peer.family in (socket.AF_INET, socket.AF_INET6)
    return peer if internet and not transport.is_closing() else None
