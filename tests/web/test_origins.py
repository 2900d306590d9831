"""Pages of other origins: those that are named may use the service, others may not, and browsers are told so."""

import httpx
import pytest
from starlette.datastructures import Headers

from app.main import assemble, create_app
from app.settings import Settings
from app.web.contract import Described
from app.web.origins import is_strangers
from tests.web.conftest import Store, assert_problem, calling

FRIEND = "https://app.example.com"
STRANGER = "https://evil.example"
CORS = "access-control-allow-origin"
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"allowed_origins": (FRIEND, "http://localhost:5173")})


@pytest.fixture
async def job(store: Store) -> str:
    return f"/api/jobs/{(await store.completed()).job_id}"


PATHS = [
    "/api/kinds",
    "/api/jobs",
    "{job}",
    "{job}/events",
    "{job}/result",
    "/api/nothing",
    "/livez",
]


@pytest.mark.parametrize("path", PATHS)
async def test_a_named_origin_may_read_every_answer(web: httpx.AsyncClient, job: str, path: str) -> None:
    response = await web.get(path.format(job=job), headers={"Origin": FRIEND})
    assert response.headers[CORS] == FRIEND
    assert response.headers["access-control-allow-credentials"] == "true"
    assert "Retry-After" in response.headers["access-control-expose-headers"].split(", ")
    assert "origin" in response.headers["vary"].lower()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("origin", [STRANGER, "null", "*", "https://app.example.com.evil.example", FRIEND.upper(), ""])
async def test_no_other_origin_may_and_caches_know_it(web: httpx.AsyncClient, job: str, path: str, origin: str) -> None:
    response = await web.get(path.format(job=job), headers={"Origin": origin})
    assert CORS not in response.headers
    assert "origin" in response.headers["vary"].lower()


@pytest.mark.parametrize("origin", [FRIEND, STRANGER, "null"])
async def test_any_page_may_import_the_client_but_not_with_credentials(web: httpx.AsyncClient, origin: str) -> None:
    fresh = await web.get("/static/tidings.js", headers={"Origin": origin})
    known = await web.get("/static/tidings.js", headers={"Origin": origin, "If-None-Match": fresh.headers["etag"]})
    for response in (fresh, known):
        assert response.headers.get_list(CORS) == ["*"]
        assert "access-control-allow-credentials" not in response.headers
    assert (fresh.status_code, known.status_code) == (200, 304)


@pytest.mark.parametrize("accept", ["text/event-stream", "application/json", "text/plain"])
async def test_a_stream_in_any_form_is_readable_too(web: httpx.AsyncClient, store: Store, accept: str) -> None:
    path = f"/api/jobs/{(await store.submitted()).job_id}/events"
    async with web.stream("GET", path, headers={"Origin": FRIEND, "Accept": accept}) as response:
        assert (response.status_code, response.headers[CORS]) == (200, FRIEND)
        assert {word.strip() for word in response.headers["vary"].split(",")} == {"Accept", "Origin"}


async def test_a_preflight_is_answered_by_every_route(web: httpx.AsyncClient, settings: Settings) -> None:
    for route in assemble(settings).routes:
        if not isinstance(route, Described):
            continue
        path = route.path_format.replace("{", "").replace("}", "")
        response = await web.options(path, headers=PREFLIGHT | {"Origin": FRIEND})
        assert (response.status_code, response.content) == (204, b""), path
        assert response.headers[CORS] == FRIEND
        assert response.headers["access-control-allow-methods"] == response.headers["allow"]
        allowed = response.headers["access-control-allow-headers"].lower().split(", ")
        assert {"authorization", "content-type", "idempotency-key", "last-event-id", "tus-resumable"} <= set(allowed)
        assert int(response.headers["access-control-max-age"]) > 0


async def test_a_preflight_of_a_stranger_allows_nothing(web: httpx.AsyncClient) -> None:
    response = await web.options("/api/jobs", headers=PREFLIGHT | {"Origin": STRANGER})
    assert not [name for name in response.headers if name.startswith("access-control-")]


async def test_a_star_is_never_sent(web: httpx.AsyncClient, job: str) -> None:
    for path in PATHS:
        for origin in (FRIEND, STRANGER):
            response = await web.get(path.format(job=job), headers={"Origin": origin})
            assert "*" not in response.headers.get(CORS, "")


@pytest.mark.parametrize(
    "said",
    [
        {"Origin": STRANGER},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "https://other.example.com"},
    ],
)
@pytest.mark.parametrize("path", ["/api/kinds/anything/pause", "/api/jobs", "/api/nothing", "/api/uploads"])
async def test_what_a_strangers_page_would_change_is_refused(
    web: httpx.AsyncClient, store: Store, said: dict[str, str], path: str
) -> None:
    response = await web.post(path, headers=said | {"Content-Type": "text/plain"}, content=b"{}")
    assert_problem(response, 403, "foreign_origin")
    assert "paused" not in (await web.get("/api/kinds")).text.replace('"paused":false', "")


async def test_the_own_page_a_named_one_and_what_is_no_page_may_ask_for_changes(
    web: httpx.AsyncClient, address: str
) -> None:
    for said in (
        {},
        {"Origin": address},
        {"Origin": FRIEND, "Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://behind.a.proxy", "Sec-Fetch-Site": "same-origin"},
    ):
        response = await web.post("/api/jobs", json={"kind": "anything"}, headers=said)
        assert response.status_code == 202, said


@pytest.mark.parametrize(
    ("site", "origin", "foreign"),
    [
        ("", "", False),
        ("same-origin", STRANGER, False),
        ("same-site", "", True),
        ("whatever", "", True),
        ("", "http://us", False),
        ("", "https://us:443", True),
    ],
)
def test_browsers_say_whose_page_asks(site: str, origin: str, foreign: bool) -> None:
    said = {"host": "us", "sec-fetch-site": site, "origin": origin}
    assert is_strangers(Headers({name: value for name, value in said.items() if value})) is foreign


async def test_without_named_origins_no_answer_speaks_of_them(web: httpx.AsyncClient, settings: Settings) -> None:
    alone = settings.model_copy(update={"allowed_origins": ()})
    async with calling(create_app(alone)) as client:
        response = await client.get("/api/kinds", headers={"Origin": FRIEND})
    assert CORS not in response.headers
    assert "vary" not in response.headers
