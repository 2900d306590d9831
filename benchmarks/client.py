"""Clients that cost little beside what they measure: HTTP/1.1 written by hand on plain sockets."""

import asyncio
import json
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
        head = [b"POST /api/jobs HTTP/1.1", b"Host: x", b"Content-Type: application/json"]
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


class Stream(asyncio.Protocol):
    """One SSE stream that counts what comes: bytes of a mark, and the time of each chunk."""

    def __init__(self, path: str, mark: bytes) -> None:
        self._request = f"GET {path} HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n".encode()
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
