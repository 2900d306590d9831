"""Stands between one process and Valkey, on a socket of its own, and loses what is to come through: one message, or all
that a connection would have brought, which stays open at both ends as after a network's failure."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

CHUNK_BYTES: Final = 1 << 16
MESSAGE: Final = b"*3\r\n$7\r\nmessage\r\n"


class Relay:
    """`url` is for the process that is to be cut off."""

    def __init__(self, socket_path: Path, target: Path) -> None:
        self._socket_path = socket_path
        self._target = target
        self._connections: list[_Connection] = []

    @property
    def url(self) -> str:
        return f"unix://{self._socket_path}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_unix_server(self._relay, self._socket_path)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for connection in self._connections:
            connection.close()
        await self._server.wait_closed()

    def lose_next_message(self) -> None:
        """What is published next, and nothing after that, does not come through."""
        for connection in self._connections:
            connection.loses_message = connection.listens

    @property
    def listening(self) -> int:
        """Connections that have subscribed to channels."""
        return sum(connection.listens for connection in self._connections)

    def silence_subscribers(self) -> None:
        """From now on nothing comes through the connections that listen to channels."""
        for connection in self._connections:
            connection.silent = connection.listens

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection(writer, *await asyncio.open_unix_connection(self._target))
        self._connections.append(connection)
        with suppress(ConnectionError):
            await connection.relay(reader)
        connection.close()


class _Connection:
    def __init__(
        self, writer: asyncio.StreamWriter, target_reader: asyncio.StreamReader, target_writer: asyncio.StreamWriter
    ) -> None:
        self._writer = writer
        self._target_reader = target_reader
        self._target_writer = target_writer
        self.listens = False
        self.loses_message = False
        self.silent = False

    async def relay(self, reader: asyncio.StreamReader) -> None:
        """Until one side is gone; while silent, what comes is swallowed and the other side never learns of an end."""
        back = asyncio.create_task(self._pump(self._target_reader, self._writer))
        try:
            await self._pump(reader, self._target_writer)
        finally:
            back.cancel()
            await asyncio.gather(back, return_exceptions=True)

    def close(self) -> None:
        for writer in (self._writer, self._target_writer):
            writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK_BYTES):
            self.listens = self.listens or b"SUBSCRIBE" in data
            if self.loses_message and data.startswith(MESSAGE):
                self.loses_message = False
            elif not self.silent:
                writer.write(data)
                await writer.drain()
        if not self.silent:
            writer.close()
