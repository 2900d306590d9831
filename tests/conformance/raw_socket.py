"""A WebSocket client that sends what it is told to, frame for frame and byte for byte, right or wrong."""

import asyncio
import os
import struct
from base64 import b64encode
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from typing import Self

import httpx

DEADLINE_SECONDS = 20


class Op(IntEnum):
    """RFC 6455 section 5.2."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


@dataclass(frozen=True)
class Heard:
    """A frame of the server, in one piece: it never fragments."""

    op: int
    payload: bytes


def frame(
    op: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, masked: bool = True, length: bytes | None = None
) -> bytes:
    """`length` are the bytes that tell it, in place of those that would."""
    size = len(payload)
    if length is None:
        short = bytes([size]) if size < 126 else b""
        length = short or (b"\x7e" + struct.pack("!H", size) if size < 1 << 16 else b"\x7f" + struct.pack("!Q", size))
    head = bytes([fin << 7 | rsv << 4 | op, masked << 7 | length[0], *length[1:]])
    if not masked:
        return head + payload
    mask = os.urandom(4)
    return head + mask + bytes(byte ^ mask[n % 4] for n, byte in enumerate(payload))


def text(payload: bytes, pieces: Sequence[int] = ()) -> list[bytes]:
    """A text message, cut into fragments of these sizes and a last one of the rest."""
    cuts = [0, *(sum(pieces[: n + 1]) for n in range(len(pieces))), len(payload)]
    parts = [payload[start:end] for start, end in pairwise(cuts)]
    return [
        frame(Op.TEXT if n == 0 else Op.CONTINUATION, part, fin=n == len(parts) - 1) for n, part in enumerate(parts)
    ]


def closing(code: int, reason: bytes = b"") -> bytes:
    """A Close frame."""
    return frame(Op.CLOSE, struct.pack("!H", code) + reason)


class RawSocket:
    """Beyond the handshake."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def send(self, *frames: bytes) -> Self:
        self._writer.write(b"".join(frames))
        return self

    async def send_bytewise(self, frames: bytes) -> None:
        for n in range(len(frames)):
            self._writer.write(frames[n : n + 1])
            await self._writer.drain()
            await asyncio.sleep(0)

    def end(self) -> None:
        """No more comes from us."""
        self._writer.write_eof()

    async def hear(self) -> Heard:
        """The next frame. Raises IncompleteReadError where the server has ended the connection."""
        first, second = await self._reader.readexactly(2)
        assert first & 0xF0 == 0x80, "whole, and no reserved bit set"
        assert not second & 0x80, "a server does not mask"
        size = second
        if size == 126:
            (size,) = struct.unpack("!H", await self._reader.readexactly(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", await self._reader.readexactly(8))
        return Heard(first & 0x0F, await self._reader.readexactly(size))

    async def to_the_end(self) -> tuple[list[Heard], int | None]:
        """All that is still heard, and the code of the Close: 1005 where it was empty, None where there was none."""
        heard: list[Heard] = []
        try:
            while True:
                heard.append(await self.hear())
        except (asyncio.IncompleteReadError, ConnectionResetError):
            pass
        if not heard or heard[-1].op != Op.CLOSE:
            return heard, None
        last = heard.pop().payload
        return heard, struct.unpack("!H", last[:2])[0] if last else 1005


@asynccontextmanager
async def shaken(address: str, path: str = "/api/ws", **changed: str) -> AsyncIterator[tuple[bytes, RawSocket]]:
    """The head of the answer to a handshake, and what comes behind it; not closed by us unless that is sent.

    Headers are given as `Sec_WebSocket_Version="8"`; an empty one is left out.
    """
    url = httpx.URL(address)
    headers = {
        "Host": url.netloc.decode(),
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": b64encode(os.urandom(16)).decode(),
        "Sec-WebSocket-Version": "13",
    } | {name.replace("_", "-"): value for name, value in changed.items()}
    lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items() if value), "", ""]
    reader, writer = await asyncio.open_connection(url.host, url.port)
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            writer.write("\r\n".join(lines).encode())
            yield await reader.readuntil(b"\r\n\r\n"), RawSocket(reader, writer)
    finally:
        writer.transport.abort()


@asynccontextmanager
async def connected(address: str, path: str = "/api/ws") -> AsyncIterator[RawSocket]:
    """Beyond the handshake."""
    async with shaken(address, path) as (head, socket):
        assert head.startswith(b"HTTP/1.1 101 "), head
        yield socket


async def handshake(address: str, **changed: str) -> bytes:
    """The answer alone."""
    async with shaken(address, **changed) as (head, _):
        return head
