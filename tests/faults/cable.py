"""Between a client and a web process: carries only as many bytes to it as it is let, and can be cut."""

import asyncio
from contextlib import suppress
from typing import Final, Self

CHUNK_BYTES: Final = 1 << 16


class Cable:
    """`url` is for the client. Whoever connects while the process is away is hung up on."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._writers: set[asyncio.StreamWriter] = set()
        self._more = asyncio.Event()
        self._most = 0
        self.carried = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.let(1 << 60)
        self.cut()
        await self._server.wait_closed()

    def let(self, most: int) -> None:
        """So many bytes in all may reach the process."""
        self._most = most
        self._more.set()

    async def spent(self) -> bool:
        """Whether all that was let through has been carried."""
        return self.carried >= self._most

    def cut(self) -> None:
        """All connections end at once, on both sides."""
        for writer in self._writers:
            writer.transport.abort()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = {writer}
        with suppress(OSError):
            there, back = await asyncio.open_connection("127.0.0.1", self._port)
            ends.add(back)
            self._writers |= ends
            await asyncio.gather(self._carry(reader, back), self._carry(there, writer, counted=False))
        self._writers -= ends
        for end in ends:
            end.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, counted: bool = True) -> None:
        while data := await reader.read(CHUNK_BYTES):
            while counted and self.carried >= self._most:
                self._more.clear()
                await self._more.wait()
            writer.write(data)
            await writer.drain()
            self.carried += len(data) if counted else 0
        writer.transport.abort()
