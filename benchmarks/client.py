"""Clients that cost little beside what they measure: HTTP/1.1 written by hand on plain sockets."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any, cast

SUBMISSION = json.dumps({"kind": "countdown", "params": {"seconds": 0.1, "steps": 1}}).encode()


class Poster:
    """One kept-alive connection that submits jobs."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int) -> "Poster":
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def submit(self, body: bytes = SUBMISSION) -> dict[str, Any]:
        """The accepted job."""
        head = [b"POST /api/jobs HTTP/1.1", b"Host: localhost", b"Content-Type: application/json"]
        head.append(b"Content-Length: %d" % len(body))
        self._writer.write(b"\r\n".join((*head, b"", body)))
        headers = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower()
        if " 202 " not in headers.splitlines()[0]:
            raise RuntimeError(headers)
        length = int(headers.split("content-length: ")[1].split("\r\n")[0])
        job: dict[str, Any] = json.loads(await self._reader.readexactly(length))
        return job

    def close(self) -> None:
        self._writer.close()


class Caller(asyncio.Protocol):
    """One kept-alive connection that makes one request after the other, as fast as they are answered."""

    def __init__(self) -> None:
        self.answered = 0
        self.places: list[str] = []
        self._rest = b""
        self._requests: Iterator[bytes] = iter(())
        self._stopping = False
        self._idle: asyncio.Future[None]

    @classmethod
    async def open(cls, port: int) -> "Caller":
        _, caller = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return caller

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass

    def begin(self, requests: Iterator[bytes], status: int) -> None:
        """Take requests from there, several callers from one; each answer is to have that status."""
        self._requests, self._expected, self._stopping = requests, b"HTTP/1.1 %d " % status, False
        self._idle = asyncio.get_running_loop().create_future()
        self.transport.write(next(requests))

    async def end(self) -> None:
        """Make no more requests; returns when the last one is answered. Raises what was wrong with an answer."""
        self._stopping = True
        await self._idle

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        head = data.find(b"\r\n\r\n") + 4
        if head < 4 or len(data) < head + _length(data):
            self._rest = data
            return
        self._rest = b""
        self.answered += 1
        if not data.startswith(self._expected):
            self._idle.set_exception(RuntimeError(data[:1000].decode()))
        elif self._stopping:
            self._idle.set_result(None)
        else:
            self.transport.write(next(self._requests))
        if (place := data.find(b"\r\nlocation: ")) > 0:
            self.places.append(data[place + 12 : data.index(b"\r\n", place + 2)].decode())


def _length(answer: bytes) -> int:
    """Of the body."""
    start = answer.find(b"\r\ncontent-length: ")
    return int(answer[start + 18 : answer.index(b"\r\n", start + 2)]) if start > 0 else 0


class Stream(asyncio.Protocol):
    """One SSE stream that counts what comes: bytes of a mark, and the time of each chunk."""

    def __init__(self, path: str, mark: bytes) -> None:
        self._request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n".encode()
        self._mark = mark
        self._tail = b""
        self.count = 0
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if not self.opened.done():
            self.opened.set_result(None)
        text = self._tail + data
        self.count += text.count(self._mark)
        self._tail = text[len(text) - len(self._mark) + 1 :]


async def open_streams(port: int, path: str, mark: bytes, count: int) -> list[Stream]:
    """That many streams, all of them answered."""
    loop = asyncio.get_running_loop()
    streams: list[Stream] = []
    for start in range(0, count, 100):
        batch = [Stream(path, mark) for _ in range(min(100, count - start))]
        for stream in batch:
            await loop.create_connection(lambda stream=stream: stream, "127.0.0.1", port)  # type: ignore[misc]  # mypy cannot infer the default's type
        await asyncio.gather(*(stream.opened for stream in batch))
        streams += batch
    return streams
