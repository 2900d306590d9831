"""Redis over TLS: `rediss://`. The bundled Valkey is built without, so that one of ours stands in front of it."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as ConnectionLost

from app.settings import Settings
from tests.faults.house import House
from tests.redis_access.guarded import PASSWORD, Guarded, denied
from tests.webhooks.receiver import certified

CHUNK_BYTES = 1 << 16


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(CHUNK_BYTES):
        writer.write(data)
        await writer.drain()


async def relayed(target: Path, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until one side has gone."""
    target_reader, target_writer = await asyncio.open_unix_connection(target)
    pumps = [asyncio.ensure_future(pump(reader, target_writer)), asyncio.ensure_future(pump(target_reader, writer))]
    try:
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in pumps:
            each.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        for side in (writer, target_writer):
            side.transport.abort()
            with suppress(OSError):
                await side.wait_closed()


@asynccontextmanager
async def behind_tls(target: Path, context: ssl.SSLContext) -> AsyncIterator[int]:
    """The port of a server that speaks TLS and passes on to a Unix socket."""
    connections: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(asyncio.ensure_future(relayed(target, reader, writer)))

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


async def test_a_job_runs_and_is_followed_over_tls_by_a_user_with_a_password(short_path: Path) -> None:
    house = House(short_path)
    house.valkey = Guarded(short_path / "valkey", short_path / "valkey.sock")
    with certified(short_path, "localhost") as (context, _):
        async with house, behind_tls(short_path / "valkey.sock", context) as port:
            trusted = urlencode({"ssl_ca_certs": short_path / "localhost.pem"})
            settings: dict[str, Any] = {
                "redis_url": f"rediss://tidings:{quote(PASSWORD, safe='')}@localhost:{port}?{trusted}"
            }
            web, _worker = await house.web(**settings), await house.worker(**settings)
            job_id = await web.submit("steady", steps=3)
            events = await web.api.get(f"/api/jobs/{job_id}/events", headers={"Last-Event-ID": "0"})
            assert "event: completed" in events.text
            running = await web.submit("steady", steps=6_000)
            await house.reached(running, "processing")
            assert (await web.cancel(running)).is_success
            await house.reached(running, "cancelled")
            assert await denied(house) == []


@pytest.mark.parametrize(
    ("name", "query", "reached"),
    [
        ("localhost", {}, True),
        ("elsewhere", {}, False),
        ("elsewhere", {"ssl_check_hostname": "no"}, True),
        ("localhost", {"ssl_ca_certs": ""}, False),
    ],
)
async def test_a_certificate_of_another_host_or_authority_is_refused(
    valkey: str, short_path: Path, name: str, query: dict[str, str], reached: bool
) -> None:
    with certified(short_path, name) as (context, _):
        async with behind_tls(Path(valkey.removeprefix("unix://")), context) as port:
            asked = {"ssl_ca_certs": str(short_path / f"{name}.pem")} | query
            url = f"rediss://localhost:{port}?{urlencode({key: text for key, text in asked.items() if text})}"
            async with Redis.from_url(Settings(redis_url=url).redis_address) as redis:
                if reached:
                    assert await redis.ping()
                    return
                with pytest.raises(ConnectionLost, match="certificate"):
                    await redis.ping()
