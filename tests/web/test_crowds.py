"""How many streams and WebSockets there may be, of one address and in all, and how long one lasts."""

import asyncio
import json
from contextlib import AsyncExitStack
from ipaddress import ip_network

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from app.auth import Scope
from app.hub import Close
from app.main import create_app
from app.settings import Settings
from app.store import KeyStore
from tests.web.conftest import Store, client_of, served
from tests.web.test_sse import blocks, stream, whole


@pytest.mark.parametrize("limits", [{"most_streams": 2}, {"most_streams_per_address": 2}])
async def test_one_stream_too_many_is_told_to_come_back(
    settings: Settings, store: Store, limits: dict[str, int]
) -> None:
    job = await store.submitted()
    path = f"/api/jobs/{job.job_id}/events"
    async with served(create_app(settings), **limits) as url, client_of(url) as web, AsyncExitStack() as stack:
        first, _ = [await stack.enter_async_context(stream(web, path)) for _ in range(2)]
        (refused,) = await whole(web, path)
        assert list(refused.fields) == ["retry"]
        assert (await web.get(f"/api/jobs/{job.job_id}")).status_code == 200, "requests are none"
        assert await closed_with(url) is None, "nor are WebSockets"
        await first.aclose()
        async with asyncio.timeout(20):
            while not (await begun(web, path)).startswith("retry: 3000"):
                pass


@pytest.mark.parametrize("limits", [{"most_sockets": 1}, {"most_sockets_per_address": 1}])
async def test_one_socket_too_many_is_closed_with_4429(
    settings: Settings, store: Store, limits: dict[str, int]
) -> None:
    async with served(create_app(settings), **limits) as url:
        async with connect(url.replace("http", "ws") + "/api/ws") as socket:
            await asked(socket)
            assert await closed_with(url) == Close.TOO_MANY
        async with asyncio.timeout(20):
            while await closed_with(url):
                pass


async def test_of_sockets_that_say_nothing_there_are_few_and_they_keep_out_nobody_who_says_who_it_is(
    settings: Settings, store: Store
) -> None:
    _, text = await KeyStore(store.redis).create("ann", [Scope.READ])
    app = create_app(settings.model_copy(update={"auth": "keys"}))
    async with (
        served(app, most_sockets=16, most_sockets_per_address=16) as url,
        connect(url.replace("http", "ws") + "/api/ws") as silent,
    ):
        assert await closed_with(url) == Close.TOO_MANY
        assert await closed_with(url, Authorization=f"Bearer {text}") is None
        await silent.send(json.dumps({"op": "auth", "token": text}))
        await silent.recv()
        assert await closed_with(url) == Close.UNAUTHENTICATED, "there is a place, and a ping says nothing"


async def test_each_client_of_a_proxy_has_its_own_share(settings: Settings, store: Store) -> None:
    job = await store.submitted()
    path, one, two = f"/api/jobs/{job.job_id}/events", "192.0.2.1", "192.0.2.2"
    limits = {"trusted_proxies": (ip_network("127.0.0.1/32"),), "most_streams_per_address": 1}
    async with (
        served(create_app(settings), **limits) as url,
        client_of(url) as web,
        stream(web, path, **{"X-Forwarded-For": one}),
        stream(web, path, **{"X-Forwarded-For": two}),
    ):
        (refused,) = await whole(web, path, **{"X-Forwarded-For": two})
        assert list(refused.fields) == ["retry"]


async def test_a_stream_that_is_old_says_when_to_come_back_and_goes_on_without_a_gap(
    settings: Settings, store: Store
) -> None:
    run = await store.claimed()
    path = f"/api/jobs/{run.job_id}/events"
    brief = settings.model_copy(update={"max_stream_seconds": 0.5})
    async with served(create_app(brief)) as url, client_of(url) as web:
        *told, farewell = await whole(web, path)
        assert list(farewell.fields) == ["retry"]
        assert 1_000 <= int(farewell.fields["retry"]) <= 5_000
        last = told[-1].id
        assert last == "2"
        await store.apply(run, "log", {"level": "info", "line": "meanwhile"})
        await store.apply(run, "completed", {"result": None})
        later = await whole(web, path, **{"Last-Event-ID": last})
        assert [block.type for block in later if block.id] == ["log", "completed"]


async def test_a_socket_on_which_nothing_happens_is_told_to_come_back(settings: Settings, store: Store) -> None:
    brief = settings.model_copy(update={"idle_stream_seconds": 0.5})
    async with served(create_app(brief)) as url, connect(url.replace("http", "ws") + "/api/ws") as socket:
        async with asyncio.timeout(20):
            with pytest.raises(ConnectionClosed):
                await socket.recv()
        assert (socket.close_code, socket.close_reason) == (Close.COME_BACK, "come back")


async def begun(web: httpx.AsyncClient, path: str) -> str:
    """The first line of a stream."""
    async with stream(web, path) as response:
        async for block in blocks(response):
            return f"retry: {block.fields.get('retry')}"
    return ""


async def asked(socket: ClientConnection) -> None:
    """Something, and it was answered: the socket is served."""
    await socket.send('{"op":"ping"}')
    await socket.recv()


async def closed_with(url: str, **headers: str) -> int | None:
    """Why a new WebSocket is closed; None when it is served."""
    async with connect(url.replace("http", "ws") + "/api/ws", additional_headers=headers) as socket:
        try:
            await asked(socket)
        except ConnectionClosed:
            return socket.close_code
    return None
