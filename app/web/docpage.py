"""`/docs` and `/docs/errors`: the documents as pages for people. Served by `app/web/description.py`."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

from app.errors import REFUSALS, Refusal
from app.failures import FAILURES
from app.web.curl import curl
from app.web.markup import Markup, element, joined, page, paragraphs, prose
from app.web.shapetext import in_words, members

DOCUMENTS: Final = (("/docs/errors", "Refusals"), ("/openapi.json", "OpenAPI"), ("/asyncapi.json", "AsyncAPI"))
PROBLEM: Final = "application/problem+json"

Node = Mapping[str, Any]


def docs_page(openapi: Node, asyncapi: Node) -> str:
    """Every operation, every WebSocket, every shape."""
    groups = [(tag, list(_operations(openapi, tag["name"]))) for tag in openapi["tags"]]
    sections = [_section(openapi, tag, operations) for tag, operations in groups]
    sockets = [_socket(asyncapi, name, channel) for name, channel in asyncapi["channels"].items()]
    shapes = asyncapi["components"]["schemas"] | openapi["components"]["schemas"]
    content = element(
        "div",
        element("section", paragraphs(openapi["info"]["description"]), _links(*DOCUMENTS), class_="about"),
        *sections,
        element("section", element("h2", "WebSockets"), paragraphs(asyncapi["info"]["description"]), *sockets),
        element("section", element("h2", "Shapes"), *(_shape(name, shapes[name]) for name in sorted(shapes))),
    )
    return page("Tidings: the API", "The API.", element("main", _contents(groups, asyncapi), content))


def errors_page() -> str:
    """Every refusal, with an id that a problem's `type` leads to; and why jobs fail."""
    intro = "Refusals are problem details (RFC 9457). Programs go by the `code`, which never changes."
    about = element("section", element("p", prose(intro)), _links(("/docs", "The API")), class_="about")
    content = element("div", about, *map(_refusal, REFUSALS), _failures())
    return page(
        "Tidings: refusals", "What is refused, why, and how to mend it.", element("main", content, class_="single")
    )


def _refusal(refusal: type[Refusal]) -> Markup:
    when, remedy = refusal.explained()
    return element(
        "article",
        element("h2", _status(str(refusal.status)), element("code", refusal.code), element("span", refusal.title)),
        paragraphs(when),
        element("div", paragraphs(remedy), class_="remedy"),
        id=refusal.code,
        class_="refusal",
    )


def _failures() -> Markup:
    told = "Why a job that was accepted has failed: its `error.code`. A handler may have codes of its own."
    rows = [
        element(
            "li",
            element("code", failure.code),
            element("span", "tried again" if failure.again else "for good", class_="type"),
            element("p", prose(failure.when)),
        )
        for failure in FAILURES
    ]
    listed = element("ul", *rows, class_="members")
    return element("section", element("h2", "Failures"), element("p", prose(told)), listed, id="failures")


def _operations(openapi: Node, tag: str) -> Iterator[tuple[str, str, Node]]:
    for path, item in openapi["paths"].items():
        for method, operation in item.items():
            if tag in operation["tags"]:
                yield path, method.upper(), operation


def _contents(groups: list[tuple[Node, list[tuple[str, str, Node]]]], asyncapi: Node) -> Markup:
    entries = [
        element(
            "li",
            element("strong", tag["name"]),
            element("ul", *(_entry(operation["operationId"], method, path) for path, method, operation in operations)),
        )
        for tag, operations in groups
    ]
    sockets = [_entry(f"channel-{name}", "WS", channel["address"]) for name, channel in asyncapi["channels"].items()]
    entries.append(element("li", element("strong", "WebSockets"), element("ul", *sockets)))
    return element("nav", element("ul", *entries), aria_label="Contents")


def _entry(anchor: str, method: str, path: str) -> Markup:
    return element("li", element("a", _method(method), " ", element("code", path), href=f"#{anchor}"))


def _links(*links: tuple[str, str]) -> Markup:
    return element("p", joined(*(element("a", text, href=href) for href, text in links), by=" · "), class_="links")


def _section(openapi: Node, tag: Node, operations: list[tuple[str, str, Node]]) -> Markup:
    articles = [_operation(openapi, path, method, operation) for path, method, operation in operations]
    return element("section", element("h2", tag["name"]), element("p", prose(tag["description"])), *articles)


def _operation(openapi: Node, path: str, method: str, operation: Node) -> Markup:
    answers = [(status, answer) for status, answer in operation["responses"].items() if PROBLEM not in _content(answer)]
    refusals = [(status, answer) for status, answer in operation["responses"].items() if PROBLEM in _content(answer)]
    return _folded(
        operation["operationId"],
        joined(_method(method), " ", element("code", path), " ", element("span", operation["summary"])),
        paragraphs(operation.get("description", "")),
        element("pre", element("code", curl(openapi, path, method, operation))),
        _part("Parameters", *map(_parameter, operation.get("parameters", ()))),
        _part("Body", *_body(openapi, operation)),
        _part("Answers", *(_answer(status, answer) for status, answer in answers)),
        _part("Refusals", *(_codes(status, answer) for status, answer in refusals)),
    )


def _content(answer: Node) -> Node:
    content: Node = answer.get("content", {})
    return content


def _part(title: str, *rows: Markup) -> Markup:
    return joined(element("h3", title), element("ul", *rows, class_="members")) if rows else Markup()


def _parameter(parameter: Node) -> Markup:
    place = element("span", parameter["in"], class_="aside")
    shape = element("span", in_words(parameter["schema"]), class_="type")
    what = element("p", prose(parameter["description"]))
    return element("li", element("code", parameter["name"]), " ", shape, " ", place, what)


def _body(openapi: Node, operation: Node) -> Iterator[Markup]:
    for name, medium in _content(operation.get("requestBody", {})).items():
        shape = medium["schema"].get("$ref", "").rpartition("/")[2]
        inner = members(openapi["components"]["schemas"][shape]) if shape else ""
        yield _medium(name, medium, inner)


def _medium(name: str, medium: Node, inner: str = "") -> Markup:
    item = medium.get("itemSchema")
    words = joined("events: ", in_words(item)) if item else in_words(medium["schema"])
    return element("li", element("code", name), " ", element("span", words, class_="type"), inner)


def _answer(status: str, answer: Node) -> Markup:
    media = [_medium(name, medium) for name, medium in _content(answer).items()]
    headers = [
        element("li", element("code", name), " ", element("span", prose(header["description"]), class_="type"))
        for name, header in answer.get("headers", {}).items()
    ]
    inner = element("ul", *media, *headers, class_="members") if media or headers else ""
    return element("li", _status(status), " ", prose(answer["description"]), inner)


def _codes(status: str, answer: Node) -> Markup:
    codes = answer["content"][PROBLEM]["schema"]["allOf"][1]["properties"]["code"]["enum"]
    links = [joined(element("a", element("code", code), href=f"/docs/errors#{code}"), " ") for code in codes]
    return element("li", _status(status), " ", *links)


def _socket(asyncapi: Node, name: str, channel: Node) -> Markup:
    directions = {"send": "The service tells", "receive": "The client may say"}
    parts = [
        _part(directions[operation["action"]], *(_told(asyncapi, message["$ref"]) for message in operation["messages"]))
        for operation in asyncapi["operations"].values()
        if operation["channel"]["$ref"] == f"#/channels/{name}"
    ]
    closes = [
        element("li", _status(code), " ", element("span", reason)) for code, reason in channel["x-close-codes"].items()
    ]
    return _folded(
        f"channel-{name}",
        joined(_method("WS"), " ", element("code", channel["address"]), " ", element("span", channel["summary"])),
        paragraphs(channel["description"]),
        *parts,
        _part("Closed with", *closes),
    )


def _told(asyncapi: Node, reference: str) -> Markup:
    message = asyncapi["components"]["messages"][reference.rpartition("/")[2]]
    return element(
        "li", element("span", in_words(message["payload"]), class_="type"), element("p", prose(message["summary"]))
    )


def _shape(name: str, schema: Node) -> Markup:
    return _folded(name, element("code", name), paragraphs(schema.get("description", "")), members(schema))


def _folded(anchor: str, summary: Markup, *content: Markup) -> Markup:
    """A browser that is sent to an anchor within unfolds what is around it."""
    return element("details", element("summary", summary), element("div", *content, id=anchor))


def _method(method: str) -> Markup:
    return element("b", method, class_="method", data_method=method)


def _status(status: str) -> Markup:
    phrase = HTTPStatus(int(status)).phrase if int(status) in HTTPStatus._value2member_map_ else ""
    return element("b", status, class_="status", data_class=status[0], title=phrase)
