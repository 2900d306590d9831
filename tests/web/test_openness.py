"""An open service serves this machine, by its own names: a page whose name leads here (DNS rebinding) gets nothing."""

from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send
from websockets.exceptions import ConnectionClosed

from app.auth import Scope as KeyScope
from app.errors import Misdirected
from app.main import create_app
from app.settings import Settings
from app.store import KeyStore
from app.web.openness import Openness
from tests.web.conftest import Store, assert_problem, calling
from tests.web.test_websocket import asked, socket, to_the_end

OURS = [
    "localhost",
    "LocalHost:8000",
    "localhost.",
    "app.localhost",
    "127.0.0.1:8000",
    "127.8.8.8",
    "[::1]:8000",
    "10.0.0.7",
]
STRANGERS = [
    "evil.example",
    "evil.example:8000",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "notlocalhost",
    "x",
]


def welcomes(openness: Openness, host: str, server: tuple[str, int | None] | None = ("127.0.0.1", 8000)) -> bool:
    headers = [(b"host", host.encode())] if host else []
    try:
        openness.check(HTTPConnection({"type": "http", "headers": headers, "server": server}))
    except Misdirected:
        return False
    return True


@pytest.mark.parametrize("host", OURS)
def test_addresses_and_names_of_this_machine_are_its_own(host: str) -> None:
    assert welcomes(Openness(), host)


@pytest.mark.parametrize("host", [*STRANGERS, "[::1", "[x]"])
def test_other_names_are_not(host: str) -> None:
    assert not welcomes(Openness(), host)


def test_who_names_nothing_is_no_browser() -> None:
    assert welcomes(Openness(), "")


def test_names_of_the_settings_are_its_own() -> None:
    openness = Openness.of(
        Settings(host="box.lan", public_url="https://Jobs.example:8443/x", allowed_hosts="Web, jobs.internal")
    )
    assert all(welcomes(openness, host) for host in ("box.lan:1", "jobs.example", "web:8000", "JOBS.internal"))
    assert not any(welcomes(openness, host) for host in ("example", "x.web", "internal"))


@pytest.mark.parametrize("host", ["*", "*.example.com", "http://x", "x:8000", "a b", ".x", "x."])
def test_what_is_no_name_is_refused_as_a_setting(host: str) -> None:
    with pytest.raises(ValueError, match="not a name"):
        Settings(allowed_hosts=(host,))


@pytest.mark.parametrize("server", [("127.0.0.1", 1), ("::1", 1), ("::ffff:127.0.0.1", 1), ("/run/x.sock", None), None])
def test_on_this_machine_it_may_be_reached(server: tuple[str, int | None] | None) -> None:
    assert welcomes(Openness(), "localhost", server)


@pytest.mark.parametrize("address", ["10.0.0.7", "0.0.0.0", "::", "::ffff:10.0.0.7", "2001:db8::1", "testserver"])
def test_from_elsewhere_it_may_not_whatever_server_it_runs_under(address: str) -> None:
    assert not welcomes(Openness(), "localhost", (address, 8000))
    assert welcomes(Openness.of(Settings(allow_open="yes-i-know")), "localhost", (address, 8000))


# The doors


async def test_a_page_whose_name_leads_here_gets_nothing(web: httpx.AsyncClient, store: Store) -> None:
    for host in STRANGERS:
        said = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
        for method, path in (("GET", "/api/jobs"), ("GET", "/api/events"), ("POST", "/api/jobs")):
            response = await web.request(method, path, headers=said, json={"kind": "anything"})
            assert "TIDINGS_ALLOWED_HOSTS" in assert_problem(response, 421, "misdirected")["detail"]
    assert await store.queued() == 0


async def test_its_sockets_are_closed(address: str) -> None:
    for path in ("/api/ws", f"/api/jobs/{'a' * 26}/ws"):
        with pytest.raises(ConnectionClosed):
            async with by_name("evil.example", address, path) as connection:
                await asked(connection, op="ping")
        assert (await to_the_end(connection)) == ([], 4403)
    async with by_name("localhost", address, "/api/ws") as connection:
        assert (await asked(connection, op="ping"))["op"] == "pong"


def by_name(name: str, address: str, path: str) -> Any:
    """A socket whose handshake says that name, over a connection to where it is."""
    where = urlsplit(address)
    return socket(f"http://{name}", path, host=where.hostname, port=where.port)


async def test_what_is_public_is_public_by_any_name(web: httpx.AsyncClient) -> None:
    for path in ("/", "/livez", "/readyz", "/docs", "/static/tidings.js"):
        assert (await web.get(path, headers={"Host": "web"})).status_code == 200


async def test_where_a_credential_is_asked_for_the_name_does_not_matter(settings: Settings, store: Store) -> None:
    _, text = await KeyStore(store.redis).create("ann", [KeyScope.READ])
    async with calling(create_app(settings.model_copy(update={"auth": "keys"}))) as web:
        said = {"Host": "jobs.example"}
        assert_problem(await web.get("/api/jobs", headers=said), 401, "unauthenticated")
        assert (await web.get("/api/jobs", headers=said | {"Authorization": f"Bearer {text}"})).status_code == 200


async def test_under_another_server_that_listens_further_it_serves_nobody(settings: Settings, store: Store) -> None:
    """`tidings web` would not have started; `create_app` learns where it is with the first request."""
    app = create_app(settings)

    async def elsewhere(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "server": ("10.0.0.7", 80)}, receive, send)

    async with calling(elsewhere) as web:
        response = await web.post("/api/jobs", json={"kind": "anything"})
        assert "TIDINGS_AUTH" in assert_problem(response, 421, "misdirected")["detail"]
        assert (await web.get("/livez")).status_code == 200
    assert await store.queued() == 0
