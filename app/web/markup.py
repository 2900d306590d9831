"""HTML by small functions: whatever is not Markup already is escaped. Used by the pages that describe the service."""

from html import escape
from typing import Final

VOID: Final = {"img", "link", "meta"}


class Markup(str):
    """Text that is HTML."""

    __slots__ = ()


def element(tag: str, /, *children: str, **attributes: str) -> Markup:
    """An element; `class_` is the attribute `class`, `data_x` is `data-x`."""
    shown = "".join(f' {name.rstrip("_").replace("_", "-")}="{escape(value)}"' for name, value in attributes.items())
    return Markup(f"<{tag}{shown}>" if tag in VOID else f"<{tag}{shown}>{joined(*children)}</{tag}>")


def joined(*children: str, by: str = "") -> Markup:
    """One after the other."""
    return Markup(escape(by).join(child if isinstance(child, Markup) else escape(child) for child in children))


def prose(text: str) -> Markup:
    """A line of text, whose backquotes mean code."""
    parts = text.split("`")
    return joined(*(element("code", part) if odd % 2 else part for odd, part in enumerate(parts)))


def paragraphs(text: str) -> Markup:
    """Text whose blank lines part paragraphs."""
    return joined(*(element("p", prose(" ".join(part.split()))) for part in text.split("\n\n") if part.strip()))


def page(title: str, tagline: str, *content: str) -> str:
    """A whole page in the look of ours."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("title", title),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("link", rel="icon", href="/static/favicon.svg", type="image/svg+xml"),
        element("link", rel="stylesheet", href="/static/style.css"),
        element("link", rel="stylesheet", href="/static/docs.css"),
    )
    logo = element("img", src="/static/favicon.svg", alt="", width="28", height="28")
    masthead = element(
        "header", element("h1", logo, element("a", "Tidings", href="/")), element("p", tagline), class_="masthead"
    )
    body = element("body", masthead, *content, class_="docs")
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"
