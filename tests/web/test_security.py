"""What answers say to browsers so that none is used against its user; and the pages keep to it themselves."""

from html.parser import HTMLParser

import httpx
import pytest
from starlette.routing import Route

from app.main import assemble
from app.settings import Settings
from tests.web.conftest import Store

PATHS = [route.path_format for route in assemble(Settings()).routes if isinstance(route, Route)]
METHODS = ["GET", "OPTIONS", "POST", "PROPFIND"]


def assert_secured(response: httpx.Response) -> None:
    headers = response.headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    policy = headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "default-src 'self'" in policy or "default-src 'none'" in policy
    assert not [unsafe for unsafe in ("unsafe-eval", "data:", "blob:", "*") if unsafe in policy]
    assert "script-src" not in policy
    assert "unsafe-inline" not in policy or policy.startswith("sandbox")


@pytest.mark.parametrize("method", METHODS)
async def test_every_answer_of_every_route_is_secured(
    web: httpx.AsyncClient, method: str, subtests: pytest.Subtests
) -> None:
    for path in PATHS:
        with subtests.test(path):
            async with web.stream(method, path.replace("{", "").replace("}", "")) as response:
                assert_secured(response)


async def test_a_304_leaves_the_answer_its_headers_that_the_client_has(web: httpx.AsyncClient, store: Store) -> None:
    path = f"/api/jobs/{(await store.submitted()).job_id}"
    response = await web.get(path, headers={"If-None-Match": '"1"'})
    assert (response.status_code, response.headers["etag"]) == (304, '"1"')
    assert {"x-content-type-options", "content-security-policy"}.isdisjoint(response.headers)


@pytest.mark.parametrize("accept", ["text/event-stream", "application/json", "text/plain"])
async def test_streams_are_secured_in_every_form(web: httpx.AsyncClient, store: Store, accept: str) -> None:
    for job_id in ((await store.submitted()).job_id, (await store.completed()).job_id):
        async with web.stream("GET", f"/api/jobs/{job_id}/events", headers={"Accept": accept}) as response:
            assert response.status_code == 200
            assert_secured(response)


@pytest.mark.parametrize(
    ("content_type", "shown"),
    [
        ("text/html", False),
        ("image/svg+xml", False),
        ("application/xhtml+xml", False),
        ("text/xml", False),
        ("application/pdf", False),
        ("text/html;charset=utf-7", False),
        ("Image/SVG+xml", False),
        ("image/png\r\nX: y", False),
        ("", False),
        ("image/png", True),
        ("video/mp4", True),
    ],
)
async def test_of_files_only_what_is_played_is_shown(
    web: httpx.AsyncClient, store: Store, content_type: str, shown: bool
) -> None:
    run = await store.claimed()
    await store.save(run, "file", b"<script>alert(1)</script>", content_type=content_type)
    await store.apply(run, "completed", {"result": None})
    for path in (f"/api/jobs/{run.job_id}/artifacts/file", f"/api/jobs/{run.job_id}/result"):
        for headers in ({}, {"Range": "bytes=0-3"}, {"Range": "bytes=900-"}):
            response = await web.get(path, headers=headers)
            assert_secured(response)
            if response.status_code != 416:
                assert response.headers["content-security-policy"].startswith("sandbox")
                assert response.headers["content-disposition"].startswith("inline" if shown else "attachment")
                assert "x" not in response.headers


class Inline(HTMLParser):
    """Whatever a page would have a browser run or load that is not a file of ours."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("style", "iframe", "object", "embed", "base") or (tag == "script" and not given.get("src")):
            self.found.append(tag)
        self.found += [name for name in given if name.startswith("on") or name in ("style", "srcdoc")]
        links = [value or "" for name, value in attrs if name in ("src", "href", "action")]
        self.found += [link for link in links if not link.startswith(("/", "#")) or link.startswith("//")]


@pytest.mark.parametrize("path", ["/", "/docs", "/docs/errors"])
async def test_a_page_has_nothing_inline_and_loads_only_from_here(web: httpx.AsyncClient, path: str) -> None:
    response = await web.get(path)
    assert response.headers["content-type"].startswith("text/html")
    assert Inline(response.text).found == []
    assert Inline("<a onclick=x href=javascript:y><script>1</script><p style=z>").found == [
        *("onclick", "javascript:y", "script", "style")
    ]
