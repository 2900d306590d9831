"""A client that takes what it is sent only when it is told to, by SSE or by WebSocket.

It has little room of its own and announces small segments, else a loopback connection would hold megabytes for it.
"""

import asyncio
import json
import socket
from collections.abc import Iterator
from typing import Any, Final, Self

ROOM_BYTES: Final = 4_096
SEGMENT_BYTES: Final = 536
CHUNK_BYTES: Final = 1 << 16
TEXT, CLOSE = 1, 8


class SlowClient:
    """A fresh watcher of one job. `received` is all that it has read."""

    def __init__(self, port: int, job_id: str, *, websocket: bool) -> None:
        self._port = port
        self.job_id = job_id
        self.websocket = websocket
        self.received = bytearray()
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ROOM_BYTES)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT_BYTES)
        self._socket.setblocking(False)

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        await loop.sock_connect(self._socket, ("127.0.0.1", self._port))
        await loop.sock_sendall(self._socket, self._request())
        async with asyncio.timeout(30):
            while not any(event["type"] == "snapshot" for event in self.events):
                await self._read()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._socket.close()

    async def read_rest(self) -> None:
        """Until the server has ended the stream; from now on with room."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, CHUNK_BYTES)
        async with asyncio.timeout(30):
            while await self._read() and self.close_code is None:
                pass

    @property
    def events(self) -> list[dict[str, Any]]:
        """Those that have come whole, the snapshot among them."""
        return [json.loads(line) for line in (self._lines() if self.websocket else self._data())]

    @property
    def close_code(self) -> int | None:
        """The WebSocket's, once it has come."""
        if not self.websocket:
            return None
        return next((int.from_bytes(body[:2]) for opcode, body in self._frames() if opcode == CLOSE), None)

    def _request(self) -> bytes:
        if not self.websocket:
            return f"GET /api/jobs/{self.job_id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        upgrade = (
            "Upgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        )
        return f"GET /api/jobs/{self.job_id}/ws HTTP/1.1\r\nHost: localhost\r\n{upgrade}\r\n".encode()

    async def _read(self) -> bool:
        try:
            data = await asyncio.get_running_loop().sock_recv(self._socket, CHUNK_BYTES)
        except ConnectionResetError:
            return False
        self.received += data
        return bool(data)

    def _data(self) -> Iterator[bytes]:
        """Of SSE: each block is whole within a chunk, so that the lines between chunks can be passed over."""
        for line in self.received.split(b"\n")[:-1]:
            if line.startswith(b"data: "):
                yield bytes(line[6:])

    def _lines(self) -> Iterator[bytes]:
        for opcode, body in self._frames():
            if opcode == TEXT:
                yield from body.split(b"\n")

    def _frames(self) -> Iterator[tuple[int, bytes]]:
        """RFC 6455 section 5.2; a server's frames have no mask, and ours come in one piece."""
        at = self.received.find(b"\r\n\r\n") + 4
        while at + 2 <= len(self.received):
            opcode, length, at = self.received[at] & 15, self.received[at + 1], at + 2
            if length > 125:
                width = 2 if length == 126 else 8
                length, at = int.from_bytes(self.received[at : at + width]), at + width
            if at + length > len(self.received):
                return
            yield opcode, bytes(self.received[at : at + length])
            at += length
