"""What every door has in common: methods, unknown paths, security headers, unexpected errors; and the small doors."""

import asyncio

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Router
from structlog.testing import capture_logs

from app.intake import catalog
from app.web import health
from app.web.health import HealthDoors
from app.web.resource import resource
from tests.web.conftest import ANYTHING, TRANSCODE, Store, assert_problem, calling


@pytest.mark.parametrize("path", ["/api", "/api/nothing", "/nothing", "/static/nothing.js", "/static/..%2fREADME.md"])
async def test_an_unknown_path_is_a_problem(web: httpx.AsyncClient, path: str) -> None:
    response = await web.get(path)
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("path", ["/api/kinds", "/api/nothing", "/livez"])
async def test_every_answer_is_secured(web: httpx.AsyncClient, path: str) -> None:
    headers = (await web.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]


async def test_an_unexpected_error_is_logged_and_shown_by_its_id_alone() -> None:
    async def broken(_: Request) -> Response:
        raise RuntimeError("secret")

    async with calling(Router([resource("/broken", get=broken, public=True)])) as web:
        with capture_logs() as lines:
            response = await web.get("/broken")
    problem = assert_problem(response, 500, "internal_error")
    assert "secret" not in response.text
    assert "Traceback" not in response.text
    assert response.headers["x-content-type-options"] == "nosniff"
    assert [line["action"] for line in lines] == ["request.failed"]
    assert lines[0]["error_id"] == problem["error_id"]


@pytest.mark.filterwarnings("ignore::ResourceWarning")
async def test_an_error_behind_the_first_byte_breaks_the_answer_off() -> None:
    async def half(_: Request) -> Response:
        async def content() -> object:
            yield b"half"
            raise RuntimeError("secret")

        return StreamingResponse(content())  # type: ignore[arg-type]

    async with calling(Router([resource("/half", get=half, public=True)])) as web:
        with pytest.raises(httpx.RemoteProtocolError):
            await web.get("/half")


async def test_the_kinds_are_listed_with_their_schemas(web: httpx.AsyncClient) -> None:
    kinds = {kind["kind"]: kind for kind in (await web.get("/api/kinds")).json()["kinds"]}
    assert list(kinds) == ["anything", "transcode"]
    assert kinds["transcode"] == {
        "kind": "transcode",
        "description": "Encode a video.",
        "params_schema": TRANSCODE.params_schema,
        "queue": "default",
        "timeout_seconds": 3600,
        "max_attempts": 3,
        "max_running": 0,
        "result_ttl_seconds": None,
        "memory_bytes": None,
        "cpu_seconds": None,
        "paused": False,
    }


async def test_the_kinds_are_read_again_when_they_are_old(
    web: httpx.AsyncClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def listed() -> list[str]:
        return [kind["kind"] for kind in (await web.get("/api/kinds")).json()["kinds"]]

    assert await listed() == ["anything", "transcode"]
    await store.redis.delete("tidings:kinds")
    await store.kinds.announce([ANYTHING])
    monkeypatch.setattr(catalog, "FRESH_SECONDS", 0)
    assert await listed() == ["anything"]


async def test_a_healthy_process_lives_and_is_ready(web: httpx.AsyncClient) -> None:
    assert (await web.get("/livez")).json() == {"status": "live"}
    assert (await web.get("/readyz")).json() == {"status": "ready"}


async def test_without_its_store_a_process_lives_but_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "ANSWER_SECONDS", 0.02)
    asked = asyncio.Event()

    async def silent() -> None:
        asked.set()
        await asyncio.Event().wait()

    async with calling(Router([*HealthDoors(silent, lambda: False).routes()])) as web:
        assert (await web.get("/livez")).status_code == 200
        response = await web.get("/readyz")
    assert asked.is_set()
    assert_problem(response, 503, "unavailable")
    assert response.headers["retry-after"] == "1"


async def test_a_process_about_to_stop_is_not_ready() -> None:
    async def ping() -> None:
        pass

    async with calling(Router([*HealthDoors(ping, lambda: True).routes()])) as web:
        assert_problem(await web.get("/readyz"), 503, "unavailable")
