"""Who comes in: every door, from the route table, without a credential, with a wrong one and with too small a one."""

import asyncio
import re

import httpx
import pytest

from app.auth import Scope
from app.auth.keys import new_key
from app.auth.principal import USUAL
from app.main import assemble, create_app
from app.settings import Settings
from app.store import KeyStore
from app.web.channels import channels
from app.web.contract import Described, operations
from tests.web.conftest import ANYTHING, TRANSCODE, Store, assert_problem, away, calling, client_of, served

PUBLIC = {
    "live", "ready", "page", "openapi", "asyncapi", "docs", "errors", "drop_token",
    "call_back", "fail_callback", "advance_callback", "heartbeat_callback",
}  # fmt: skip
"""Operations that anybody may call; whoever adds one here has thought about it."""

ROUTES = assemble(Settings()).routes
OPERATIONS = [
    (method, re.sub(r"\{[^}]*\}", "x", path), contract)
    for path, method, contract in operations(ROUTES)
    if contract.name not in PUBLIC
]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"auth": "keys"})


async def bearer(keys: KeyStore, *scopes: Scope, name: str = "ann") -> dict[str, str]:
    _, text = await keys.create(name, scopes)
    return {"Authorization": f"Bearer {text}"}


def test_every_operation_is_guarded_or_known_to_be_public() -> None:
    assert {contract.name for _, _, contract in operations(ROUTES) if contract.scope is None} == PUBLIC
    assert all(channel.scope for _, channel in channels(ROUTES))


def test_what_has_no_contract_is_the_files_of_the_page_alone() -> None:
    doors = [(route.path, door) for route in ROUTES if isinstance(route, Described) for door in route.doors.values()]
    assert {path for path, door in doors if not hasattr(door, "contract")} == {"/static/{path:path}"}


async def test_nobody_enters_without_a_credential(
    web: httpx.AsyncClient, store: Store, subtests: pytest.Subtests
) -> None:
    for method, path, contract in OPERATIONS:
        with subtests.test(contract.name):
            response = await web.request(method, path, content=b"x" * 100)
            assert_problem(response, 401, "unauthenticated")
            assert response.headers["www-authenticate"] == 'Bearer realm="tidings"'
            assert await store.queued() == 0


async def test_nobody_enters_without_the_scope(
    web: httpx.AsyncClient, keys: KeyStore, subtests: pytest.Subtests
) -> None:
    for method, path, contract in OPERATIONS:
        with subtests.test(contract.name):
            others = [scope for scope in Scope if scope not in (contract.scope, contract.or_scope)]
            headers = await bearer(keys, *others)
            problem = assert_problem(await web.request(method, path, headers=headers), 403, "forbidden")
            assert problem["scope"] == contract.scope


async def test_who_has_the_scope_gets_to_the_door(
    web: httpx.AsyncClient, keys: KeyStore, subtests: pytest.Subtests
) -> None:
    for method, path, contract in OPERATIONS:
        assert contract.scope
        with subtests.test(contract.name):
            headers = await bearer(keys, contract.scope) | {"Accept": "application/json"}
            if contract.name == "feed":
                headers["Accept"] = "image/png"
            response = await web.request(method, path, headers=headers)
            assert response.status_code not in (401, 403)


@pytest.mark.parametrize("path", ["/", "/livez", "/readyz", "/docs", "/openapi.json", "/static/tidings.js"])
async def test_what_is_public_asks_for_nothing(web: httpx.AsyncClient, path: str) -> None:
    assert (await web.get(path)).status_code == 200


async def test_options_and_a_wrong_method_tell_nobody_anything_new(web: httpx.AsyncClient) -> None:
    assert (await web.options("/api/jobs")).status_code == 204
    assert_problem(await web.patch("/api/jobs"), 405, "method_not_allowed")


@pytest.mark.parametrize(
    "said",
    [
        "Bearer",
        "Bearer tdg_x",
        "Basic dGRnX3g6",
        "tdg_x",
        f"Bearer tdg_{'a' * 38}",
        "Bearer a.b.c",
        "Bearer tdt_e30.x",
        f"Bearer {'x' * 20_000}",
    ],
)
async def test_what_is_no_credential_is_401(web: httpx.AsyncClient, said: str) -> None:
    assert_problem(await web.get("/api/jobs", headers={"Authorization": said}), 401, "unauthenticated")


async def test_a_stranger_is_answered_before_his_body_has_come(address: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(address.rpartition(":")[2]))
    writer.write(b"PUT /api/uploads/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n")
    async with asyncio.timeout(10):
        assert b" 401 " in await reader.readline()
    writer.close()
    await writer.wait_closed()


async def test_the_scheme_is_written_as_anybody_likes(web: httpx.AsyncClient, keys: KeyStore) -> None:
    _, text = await keys.create("ann", [Scope.READ])
    for scheme in ("bearer", "BEARER"):
        assert (await web.get("/api/jobs", headers={"Authorization": f"{scheme} {text}"})).status_code == 200


async def test_a_key_in_a_url_is_taken_by_streams_alone(web: httpx.AsyncClient, keys: KeyStore) -> None:
    _, text = await keys.create("ann", list(Scope))
    for path in ("/api/jobs", "/api/kinds"):
        response = await web.get(path, params={"access_token": text})
        assert response.status_code == 401
    async with web.stream("GET", "/api/events", params={"access_token": text}) as stream:
        assert stream.status_code == 200


async def test_two_owners_do_not_see_each_other(web: httpx.AsyncClient, keys: KeyStore, store: Store) -> None:
    ann, bob = await bearer(keys, *USUAL), await bearer(keys, *USUAL, name="bob")
    job = (await web.post("/api/jobs", json={"kind": "anything"}, headers=ann)).json()
    assert job["owner"] == "ann"
    assert (await web.get(job["links"]["self"], headers=ann)).status_code == 200
    assert_problem(await web.get(job["links"]["self"], headers=bob), 404, "unknown_job")
    assert [j["job_id"] for j in (await web.get("/api/jobs", headers=ann)).json()["jobs"]] == [job["job_id"]]
    assert (await web.get("/api/jobs", headers=bob)).json()["jobs"] == []


async def test_while_redis_is_away_nobody_is_let_in_and_nobody_is_called_a_stranger(settings: Settings) -> None:
    gone = away(settings).model_copy(update={"auth": "keys"})
    async with calling(create_app(gone)) as web:
        headers = {"Authorization": f"Bearer {new_key()}"}
        assert_problem(await web.get("/api/jobs", headers=headers), 503, "unavailable")
        assert_problem(await web.get("/api/jobs"), 401, "unauthenticated")


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.auth.authenticator.KNOWN_SECONDS", 0.0)


async def test_a_revoked_key_is_worth_nothing(web: httpx.AsyncClient, keys: KeyStore, fast: None) -> None:
    key, text = await keys.create("ann", [Scope.READ])
    headers = {"Authorization": f"Bearer {text}"}
    assert (await web.get("/api/jobs", headers=headers)).status_code == 200
    await keys.revoke(key.key_id)
    assert_problem(await web.get("/api/jobs", headers=headers), 401, "unauthenticated")


async def test_the_last_use_of_a_key_is_noted(web: httpx.AsyncClient, keys: KeyStore) -> None:
    _, text = await keys.create("ann", [Scope.READ])
    assert [key.used_at for key in await keys.all()] == [None]
    await web.get("/api/jobs", headers={"Authorization": f"Bearer {text}"})
    (key,) = await keys.all()
    assert key.used_at is not None
    assert key.used_at >= key.created_at


async def test_without_a_mode_it_is_open_until_there_is_a_key_and_never_again(
    settings: Settings, store: Store, keys: KeyStore, fast: None
) -> None:
    await store.kinds.announce([TRANSCODE, ANYTHING])
    async with served(create_app(settings.model_copy(update={"auth": ""}))) as url, client_of(url) as web:
        assert (await web.get("/api/jobs")).status_code == 200
        key, text = await keys.create("ann", [Scope.READ])
        assert_problem(await web.get("/api/jobs"), 401, "unauthenticated")
        assert (await web.get("/api/jobs", headers={"Authorization": f"Bearer {text}"})).status_code == 200
        await keys.revoke(key.key_id)
        assert_problem(await web.get("/api/jobs"), 401, "unauthenticated")
    async with calling(create_app(settings.model_copy(update={"auth": ""}))) as web:
        assert_problem(await web.get("/api/jobs"), 401, "unauthenticated")


async def test_the_description_says_what_each_operation_needs(web: httpx.AsyncClient) -> None:
    document = (await web.get("/openapi.json")).json()
    for path, method, contract in operations(ROUTES):
        if path not in document["paths"]:
            continue  # `{name:path}` is written otherwise
        operation = document["paths"][path][method.lower()]
        needs = [scopes for way in operation.get("security", []) for scopes in way.values()]
        assert {scope for scopes in needs for scope in scopes} <= {contract.scope, contract.or_scope}
        assert all(len(scopes) == 1 for scopes in needs)
        assert bool(needs) == (contract.scope is not None)
        assert ("401" in operation["responses"]) == (contract.scope is not None)
    assert set(document["components"]["securitySchemes"]) == {"bearer", "cookie", "url"}
