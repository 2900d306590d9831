"""A receiver of webhooks on a real socket, which answers byte for byte what it is told, or nothing; and a canary."""

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import run
from typing import Final

SILENCE: Final = b""
"""In place of an answer: the connection stays open, and nothing comes."""
DRIPS: Final = b"HTTP/1.1 100 Go on\r\n\r\n"
"""The same, and this comes again and again."""


def answer(status: int = 200, body: bytes = b"ok", **headers: str) -> bytes:
    """A whole answer; `Retry_After="5"` is a header."""
    fields = {"Content-Length": str(len(body))} | {name.replace("_", "-"): text for name, text in headers.items()}
    head = "".join(f"{name}: {text}\r\n" for name, text in fields.items())
    return f"HTTP/1.1 {status} So\r\n{head}\r\n".encode() + body


@dataclass(frozen=True)
class Request:
    """As it came; names of headers in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


class Receiver:
    """Answers what `will` was told, in order; the last answer stays."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: list[Request] = []
        self.connections = 0
        self._answers = deque([answer()])
        self.wait: Callable[[], Awaitable[object]] | None = None  # before it answers

    def will(self, *answers: bytes) -> None:
        self._answers = deque(answers)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        try:
            while (request := await _request(reader)) and await self._reply(request, reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError, ValueError):
            """It has hung up, or speaks something else."""
        finally:
            await _close(writer)

    async def reply_to(self, _: Request) -> bytes:
        """What it was told to answer."""
        if self.wait:
            await self.wait()
        return self._answers.popleft() if len(self._answers) > 1 else self._answers[0]

    async def _reply(self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection is good for another."""
        self.requests.append(request)
        reply = await self.reply_to(request)
        if reply == SILENCE:
            await reader.read()
            return False
        writer.write(reply)
        await writer.drain()
        while reply == DRIPS and not writer.is_closing():
            await asyncio.sleep(0.01)
            writer.write(reply)
        return b"Content-Length" in reply and b"Connection: close" not in reply


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def _request(reader: asyncio.StreamReader) -> Request | None:
    line = (await reader.readline()).decode()
    if not line:
        return None
    headers = {}
    while field := (await reader.readline()).decode().strip():
        name, _, text = field.partition(":")
        headers[name.lower()] = text.strip()
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    method, target, _ = line.split()
    return Request(method, target, headers, body)


@asynccontextmanager
async def receiving(
    host: str = "127.0.0.1", port: int = 0, *, tls: ssl.SSLContext | None = None, receiver: Receiver | None = None
) -> AsyncIterator[Receiver]:
    receiver = receiver or Receiver("")
    connections: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(receiver.serve(reader, writer))
        connections.add(task)
        task.add_done_callback(connections.discard)

    server = await asyncio.start_server(connected, host, port, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    receiver.url = f"{'https' if tls else 'http'}://{host}:{port}"
    try:
        yield receiver
    finally:
        server.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


class Canary:
    """Hears whether anybody connects, on every address of this machine unless told otherwise."""

    def __init__(self) -> None:
        self.port = 0
        self.heard = 0

    async def connected(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heard += 1
        writer.write(answer(Connection="close"))
        await _close(writer)


@asynccontextmanager
async def listening(host: str = "0.0.0.0") -> AsyncIterator[Canary]:
    canary = Canary()
    servers = [await asyncio.start_server(canary.connected, host, 0)]
    canary.port = servers[0].sockets[0].getsockname()[1]
    if host == "0.0.0.0":
        with suppress(OSError):  # a machine without IPv6 has nothing to hear there
            servers.append(await asyncio.start_server(canary.connected, "::", canary.port))
    try:
        yield canary
    finally:
        for server in servers:
            server.close()


@contextmanager
def certified(folder: Path, name: str) -> Iterator[tuple[ssl.SSLContext, ssl.SSLContext]]:
    """What a server of that name needs, and a client that trusts it alone."""
    key, certificate = folder / f"{name}.key", folder / f"{name}.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-nodes",
        "-days",
        "2",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
    ]
    command += ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    command += ["-keyout", str(key), "-out", str(certificate)]
    run(command, check=True, capture_output=True)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(certificate, key)
    yield server, ssl.create_default_context(cafile=certificate)
