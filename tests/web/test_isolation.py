"""Whatever one owner has is to another as if it were not there; and to a browser token what it does not reach. Made of
the table of routes, so that a new route has to be given its place here.

Each route with an id in its path is asked twice by a stranger, with ids of another owner and with ids of nobody:
status, headers and body must be the same but for the id. Then nothing of the other's has changed.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import httpx
import pytest
from starlette.routing import BaseRoute, WebSocketRoute

from app.auth import Principal, Reach, Scope
from app.auth.principal import USUAL
from app.auth.tokens import Tokens
from app.callbacks import token_of
from app.jobs import new_job_id
from app.main import assemble
from app.settings import Settings
from app.store import (
    BatchStore,
    DeliveryLog,
    KeyStore,
    Order,
    Secret,
    Unfinished,
    UnfinishedStore,
    Upload,
    WebhookSecrets,
)
from app.web.contract import Described
from tests.ground import submission
from tests.web.conftest import Store, client_of
from tests.web.test_websocket import asked, socket, to_the_end

OTHER = "other"
MARK = "nobody-else-s-business"
"""In all that the other owner has."""

OWNED = {"job_id", "batch_id", "upload_id", "secret_id", "token"}
"""Variables of paths that lead to what is somebody's."""

BESIDE = {"name": "a.txt", "n": "1"}
"""Those that stand behind one of these."""

LISTS = {"/api/jobs", "/api/events", "/api/webhooks/secrets", "/api/deliveries/redeliver"}
"""Of who asks: nothing of the other is in them, and what they change is not the other's."""

TAKES = {"/api/jobs", "/api/batches", "/api/tokens", "/api/uploads", "/api/uploads/{name}"}
"""New things, which belong to who asks; what they name must be theirs."""

COMMON = {
    *("/", "/static/{path}", "/livez", "/readyz", "/openapi.json", "/asyncapi.json", "/docs", "/docs/errors"),
    *("/api/kinds", "/api/kinds/{kind}/pause", "/api/kinds/{kind}/resume"),
    *("/api/queues", "/api/queues/{queue}/pause", "/api/queues/{queue}/resume"),
}
"""The same for all; they tell of no owner."""

OPERATORS = {"/api/workers", "/api/pollers"}
"""Of everybody, for who has the scope `admin` alone."""

SOCKETS = {"/api/jobs/{job_id}/ws", "/api/ws"}

FORMS = {"/api/jobs/{job_id}/events": ["application/json", "text/plain", "text/event-stream"]}
BODIES: dict[str, Any] = {
    "/api/jobs/{job_id}/suspend": {"seconds": 60},
    "/api/callbacks/{token}": {"paid": 5},
    "/api/callbacks/{token}/fail": {"message": "no"},
    "/api/callbacks/{token}/progress": {"percent": 5},
}
TUS = {
    "Tus-Resumable": "1.0.0",
    "Upload-Offset": "0",
    "Content-Type": "application/offset+octet-stream",
    "X-HTTP-Method-Override": "PATCH",
}


def routes() -> list[BaseRoute]:
    return assemble(Settings()).routes


def variables(path: str) -> set[str]:
    return {part.partition("}")[0] for part in path.split("{")[1:]}


def doors() -> Iterator[tuple[str, str]]:
    """Path and method of each that leads to what is somebody's."""
    for route in routes():
        if isinstance(route, Described) and variables(route.path_format) & OWNED:
            for method in route.doors:
                yield route.path_format, method


@dataclass(frozen=True)
class World:
    """What the other owner has, by the variable that leads there; of each kind several."""

    ids: dict[str, list[str]]

    @property
    def all(self) -> list[str]:
        return [one for ids in self.ids.values() for one in ids]


@dataclass(frozen=True)
class Stranger:
    """Who asks, and what a job of its own is made with."""

    headers: dict[str, str]
    own: dict[str, Any]
    refusals: set[int]


@pytest.fixture(params=["open", "key", "token"])
async def stranger(request: pytest.FixtureRequest, store: Store) -> Stranger:
    """Another owner, by no credential or by a key that is no operator's; or the same owner's browser token, for other
    jobs."""
    if request.param == "open":
        return Stranger({}, {}, {404})
    keys = KeyStore(store.redis)
    theirs, _ = await keys.create(OTHER, frozenset(Scope))
    if request.param == "key":
        _, text = await keys.create("default", USUAL)
        return Stranger({"Authorization": f"Bearer {text}"}, {}, {404})
    reach, until = Reach(tag="mine"), round(time.time() + 600) * 1000
    principal = Principal(OTHER, frozenset({Scope.READ, Scope.CANCEL}), theirs.key_id, until, reach)
    token = await Tokens(Secret(store.redis)).sign(principal)
    return Stranger({"Authorization": f"Bearer {token}"}, {"owner": OTHER, "tags": ("mine",)}, {403, 404})


@pytest.fixture
async def web(address: str, stranger: Stranger) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(address) as client:
        client.headers.update(stranger.headers)
        yield client


@pytest.fixture
async def world(store: Store, settings: Settings) -> World:
    run = await store.claimed(
        owner=OTHER, tags=(MARK,), callback_url="https://receiver.example/", callback_events=("completed",)
    )
    await store.apply(run, "log", {"level": "info", "line": MARK})
    await store.save(run, "a.txt", MARK.encode())
    await store.apply(run, "completed", {"result": MARK})
    waiting = await store.claimed(owner=OTHER, tags=(MARK,))
    await store.apply(waiting, "waiting", {"for": "callback", "deadline": "@"}, "60000")
    pending = await store.submitted(owner=OTHER, tags=(MARK,))
    batch = new_job_id()
    await BatchStore(store.redis).accept(Order(batch, OTHER, [submission(owner=OTHER, kind="anything", tags=(MARK,))]))
    whole, begun = new_job_id(), new_job_id()
    await store.uploads.add(Upload(whole, OTHER, MARK, 4, "0" * 64, "text/plain", 1 << 42))
    await UnfinishedStore.of(store.redis, settings).begin(Unfinished(begun, OTHER, MARK, "text/plain", 9))
    store.files.prepare()
    store.files.unfinished(begun).touch()
    secret = await WebhookSecrets(store.redis).create(OTHER)
    jobs = [run.job_id, waiting.job_id, pending.job_id]
    return World(
        {
            "job_id": jobs,
            "batch_id": [batch],
            "upload_id": [whole, begun],
            "secret_id": [secret.secret_id],
            "token": [token_of(b"of no service", job_id, 0) for job_id in jobs],
        }
    )


def unlike(known: str) -> str:
    """An id of nobody that looks like this one; of a token, its job's."""
    head, dot, rest = known.partition(".")
    return new_job_id()[: len(head)] + dot + rest


async def answer(web: httpx.AsyncClient, method: str, path: str, called: str, accept: str, id: str) -> dict[str, Any]:
    """All there is to be seen of it, the id left out."""
    url = path
    for variable in variables(path):
        url = url.replace(f"{{{variable}}}", BESIDE.get(variable, id))
    headers = {"Accept": accept, "Idempotency-Key": "k"} | (TUS if "upload" in path else {})
    if path in BODIES:
        headers["Content-Type"] = "application/json"
    content = json.dumps(BODIES[path]).encode() if path in BODIES else b""
    async with asyncio.timeout(20), web.stream(method, url, headers=headers, content=content) as response:
        assert response.status_code >= 400, (called, url)
        body = (await response.aread()).decode()
    seen = {name: value for name, value in response.headers.items() if name not in ("date", "content-length")}
    return {"status": response.status_code, "headers": seen, "body": body.replace(id, "ID")}


async def test_every_route_has_its_place_here() -> None:
    described = {route.path_format for route in routes() if isinstance(route, Described)}
    placed = {path for path, _ in doors()} | LISTS | TAKES | COMMON | OPERATORS
    assert described == placed, described ^ placed
    assert {route.path_format for route in routes() if isinstance(route, WebSocketRoute)} == SOCKETS
    assert len(described) + len(SOCKETS) == len(routes())
    assert {variable for path, _ in doors() for variable in variables(path)} <= OWNED | set(BESIDE)


async def test_what_is_anothers_looks_like_what_is_not_there(
    web: httpx.AsyncClient, stranger: Stranger, world: World, subtests: pytest.Subtests
) -> None:
    for path, method in doors():
        (variable,) = variables(path) & OWNED
        for known, accept in product(world.ids[variable], FORMS.get(path, ["*/*"])):
            with subtests.test(f"{method} {path} {accept}"):
                foreign = await answer(web, method, path, "foreign", accept, known)
                unknown = await answer(web, method, path, "unknown", accept, unlike(known))
                assert foreign == unknown
                assert foreign["status"] in stranger.refusals


async def test_whatever_a_stranger_does_the_owner_sees_nothing_of_it(
    web: httpx.AsyncClient, store: Store, world: World, settings: Settings
) -> None:
    async def standing() -> list[Any]:
        views = [await store.jobs.read(job_id) for job_id in world.ids["job_id"]]
        uploads = [await store.uploads.find(upload_id) for upload_id in world.ids["upload_id"]]
        begun = await UnfinishedStore.of(store.redis, settings).find(world.ids["upload_id"][1])
        deliveries, _ = await DeliveryLog(store.redis).page(world.ids["job_id"][0], limit=9)
        batch = await BatchStore(store.redis).read(world.ids["batch_id"][0])
        assert batch
        secrets = await WebhookSecrets(store.redis).all(OTHER)
        told = [(view.job.seq, view.job.status, view.job.cancel_requested_at) for view in views if view]
        return [told, uploads, begun, deliveries, (batch.owner, batch.seq), secrets]

    before = await standing()
    assert len(before[0]) == 3
    assert len(before[3]) == 1
    for path, method in doors():
        (variable,) = variables(path) & OWNED
        for known in world.ids[variable]:
            await answer(web, method, path, "foreign", "*/*", known)
    await web.post("/api/deliveries/redeliver")
    assert await standing() == before


@pytest.mark.parametrize(
    "query", ["", "?tag=nobody-else-s-business", "?batch_id={batch}", "?status=pending", "?kind=anything", "?limit=200"]
)
async def test_a_list_has_nothing_of_another(web: httpx.AsyncClient, world: World, query: str) -> None:
    response = await web.get(f"/api/jobs{query.format(batch=world.ids['batch_id'][0])}")
    assert response.json() == {"jobs": [], "next_cursor": None}


@pytest.mark.parametrize("owner", ["*", OTHER])
async def test_to_ask_for_others_is_refused_to_all_but_operators(
    address: str, web: httpx.AsyncClient, stranger: Stranger, world: World, owner: str
) -> None:
    """In an open service all there are is one's own; to its own owner's token the owner's name is nothing new."""
    alone, same = not stranger.headers, stranger.own.get("owner") == owner
    allowed = (alone and owner == "*") or same
    listed = await web.get("/api/jobs", params={"owner": owner})
    assert listed.status_code == (200 if allowed else 403)
    assert not [one for one in world.all if one in listed.text]
    async with asyncio.timeout(20), web.stream("GET", "/api/events", params={"owner": owner}) as response:
        assert response.status_code == (200 if allowed else 403)
    async with socket(address, "/api/ws", additional_headers=stranger.headers) as connection:
        told = await asked(connection, op="subscribe", feed=True, filter={"owner": owner})
        assert told.get("code") == (None if allowed else "forbidden")


@pytest.mark.parametrize("path", sorted(OPERATORS))
@pytest.mark.parametrize("stranger", ["key", "token"], indirect=True)
async def test_what_is_of_everybody_is_for_operators(web: httpx.AsyncClient, world: World, path: str) -> None:
    response = await web.get(path)
    assert response.status_code == 403
    assert not [one for one in [*world.all, MARK] if one in response.text]


async def test_a_cursor_of_another_leads_to_nothing_of_theirs(web: httpx.AsyncClient, world: World) -> None:
    for job_id in world.ids["job_id"]:
        response = await web.get("/api/jobs", params={"cursor": f"{10**14}.{job_id}"})
        assert response.json()["jobs"] == []


async def test_the_secrets_and_webhooks_of_another_are_not_told(web: httpx.AsyncClient, world: World) -> None:
    assert world.ids["secret_id"][0] not in (await web.get("/api/webhooks/secrets")).text
    sent_again = await web.post("/api/deliveries/redeliver")
    assert sent_again.status_code == 403 or sent_again.json() == {"redelivered": 0, "more": False}


async def test_what_is_common_tells_of_nobody(web: httpx.AsyncClient, world: World, subtests: pytest.Subtests) -> None:
    for path in sorted(COMMON - {"/static/{path}"}):
        with subtests.test(path):
            response = await web.get(path.replace("{kind}", "anything").replace("{queue}", "default"))
            assert not [one for one in [*world.all, MARK] if one in response.text]


async def test_a_feed_tells_nothing_of_another(
    web: httpx.AsyncClient, store: Store, stranger: Stranger, world: World
) -> None:
    async with asyncio.timeout(20), web.stream("GET", "/api/events") as response:
        assert response.status_code == 200
        text = response.aiter_text()
        await store.submitted(owner=OTHER, tags=(MARK,))
        await store.jobs.cancel(world.ids["job_id"][2], OTHER)
        own = await store.submitted(**stranger.own)
        heard = ""
        while own.job_id not in heard:
            heard += await anext(text)
    assert not [one for one in [*world.all, MARK] if one in heard]


async def test_over_a_socket_nothing_of_another_is_there(
    address: str, store: Store, stranger: Stranger, world: World
) -> None:
    options = {"additional_headers": stranger.headers}
    for known in world.ids["job_id"]:
        for job_id in (known, unlike(known)):
            async with socket(address, f"/api/jobs/{job_id}/ws?after=0", **options) as connection:
                assert await to_the_end(connection) == ([], 4404)
        async with socket(address, "/api/ws", **options) as connection:
            for frame in (
                {"op": "subscribe"},
                {"op": "subscribe", "after": 0},
                {"op": "cancel", "reason": "mine"},
                {"op": "unsubscribe"},
            ):
                foreign = await asked(connection, **frame, job_id=known)
                unknown = await asked(connection, **frame, job_id=(nobody := unlike(known)))
                assert json.dumps(foreign).replace(known, "ID") == json.dumps(unknown).replace(nobody, "ID")
            await connection.send(json.dumps({"op": "subscribe", "feed": True}))
            await store.submitted(owner=OTHER)
            own = await store.submitted(**stranger.own)
            heard = ""
            while own.job_id not in heard:
                heard += str(await connection.recv())
            assert not [one for one in [*world.all, MARK] if one in heard]


@pytest.mark.parametrize("form", ["upload:{upload}", "artifact:{job}/a.txt"])
async def test_what_is_anothers_is_no_input(web: httpx.AsyncClient, world: World, form: str) -> None:
    upload, job = world.ids["upload_id"][0], world.ids["job_id"][0]
    told = []
    for ids in ({"upload": upload, "job": job}, {"upload": unlike(upload), "job": unlike(job)}):
        params = {"input": form.format(**ids)}
        for path, body in (
            ("/api/jobs", {"kind": "transcode", "params": params}),
            ("/api/batches", {"jobs": [{"kind": "transcode", "params": params}]}),
        ):
            response = await web.post(path, json=body)
            assert response.status_code in (403, 422)
            told.append(response.text.replace(ids["upload"], "ID").replace(ids["job"], "ID"))
    assert told[:2] == told[2:]


@pytest.mark.parametrize("stranger", ["open", "key"], indirect=True)
async def test_a_token_reaches_only_what_its_maker_does(web: httpx.AsyncClient, address: str, world: World) -> None:
    made = await web.post("/api/tokens", json={"scope": "cancel", "jobs": world.ids["job_id"]})
    assert made.status_code == 201
    async with client_of(address) as page:
        page.headers["Authorization"] = f"Bearer {made.json()['token']}"
        for known in world.ids["job_id"]:
            foreign = await answer(page, "GET", "/api/jobs/{job_id}", "foreign", "*/*", known)
            assert foreign == await answer(page, "GET", "/api/jobs/{job_id}", "unknown", "*/*", unlike(known))


@pytest.mark.parametrize("stranger", ["open", "key"], indirect=True)
async def test_an_idempotency_key_is_of_its_owner(web: httpx.AsyncClient, store: Store) -> None:
    theirs = await store.submitted(owner=OTHER, idempotency_key="k", fingerprint="f")
    response = await web.post("/api/jobs", json={"kind": "anything"}, headers={"Idempotency-Key": "k"})
    assert response.status_code == 202
    assert response.json()["job_id"] != theirs.job_id
    assert "idempotency-replayed" not in response.headers
