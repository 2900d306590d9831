"""The pages that describe the service hold all that the documents do, and nothing a browser would run."""

import re
from html.parser import HTMLParser

import httpx
import pytest

from app.errors import REFUSALS
from app.failures import FAILURES
from app.web.markup import element, joined, prose


class Outline(HTMLParser):
    """Ids, links, and elements with what they have for attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}
        given = dict(attrs)
        self.ids += filter(None, [given.get("id")])
        self.links += filter(None, [given.get("href"), given.get("src")])
        if tag not in {"meta", "link", "img", "input"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("path", ["/docs", "/docs/errors"])
async def test_a_page_runs_nothing_and_loads_only_from_here(web: httpx.AsyncClient, path: str) -> None:
    answer = await web.get(path)
    outline = Outline(answer.text)
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert not outline.elements & {"script", "style", "iframe", "object"}
    assert not {name for name in outline.attributes if name == "style" or name.startswith("on")}
    assert all(link.startswith(("/", "#")) for link in outline.links)
    assert outline.open == []


@pytest.mark.parametrize("path", ["/docs", "/docs/errors"])
async def test_every_link_leads_somewhere(web: httpx.AsyncClient, path: str) -> None:
    outline = Outline((await web.get(path)).text)
    ids = {path: set(outline.ids)}
    assert len(outline.ids) == len(ids[path])
    for link in set(outline.links):
        target, _, anchor = link.partition("#")
        if target and target not in ids:
            answer = await web.get(target)
            assert answer.status_code == 200, link
            ids[target] = set(Outline(answer.text).ids) if "html" in answer.headers["content-type"] else set()
        assert not anchor or anchor in ids[target or path], link


async def test_every_operation_shape_and_socket_is_on_the_page(web: httpx.AsyncClient) -> None:
    openapi, asyncapi = (await web.get("/openapi.json")).json(), (await web.get("/asyncapi.json")).json()
    ids = set(Outline((await web.get("/docs")).text).ids)
    assert ids >= {operation["operationId"] for item in openapi["paths"].values() for operation in item.values()}
    assert ids >= set(openapi["components"]["schemas"]) | set(asyncapi["components"]["schemas"])
    assert ids >= {f"channel-{name}" for name in asyncapi["channels"]}


async def test_every_code_is_explained_under_its_id(web: httpx.AsyncClient) -> None:
    answer = await web.get("/docs/errors")
    assert Outline(answer.text).ids == [*(refusal.code for refusal in REFUSALS), "failures"]
    failures = answer.text.partition('id="failures"')[2]
    assert [failure.code for failure in FAILURES if f"<code>{failure.code}</code>" not in failures] == []


async def test_a_problem_leads_to_its_explanation(web: httpx.AsyncClient) -> None:
    page, _, anchor = (await web.get("/api/jobs/x")).json()["type"].partition("#")
    assert anchor in Outline((await web.get(page)).text).ids


async def test_every_operation_has_a_command_to_try(web: httpx.AsyncClient) -> None:
    text = (await web.get("/docs")).text
    openapi = (await web.get("/openapi.json")).json()
    operations = [operation for item in openapi["paths"].values() for operation in item.values()]
    assert len(re.findall("<pre><code>curl ", text)) == len(operations)


def test_text_is_escaped_wherever_it_stands() -> None:
    hostile = "<script>&\"'`</code>`"
    assert "<script" not in prose(hostile)
    assert prose("`<b>`") == "<code>&lt;b&gt;</code>"
    assert element("a", hostile, href=hostile).count("<") == 2
    assert joined("<b>", element("b", "&")) == "&lt;b&gt;<b>&amp;</b>"
