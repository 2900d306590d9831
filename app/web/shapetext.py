"""A JSON Schema in words, with links to the shapes it names. Used by `app/web/docpage.py`."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from app.events import json_text
from app.web.markup import Markup, element, joined, prose

Schema = Mapping[str, Any]

BOUNDS: Final = {
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "maxItems": "at most {} of them",
}


def in_words(schema: Schema) -> Markup:
    """In one line: `list of JobObject`, `number, at least 0`, `string or null`."""
    if reference := schema.get("$ref"):
        name = reference.rpartition("/")[2]
        return element("a", name, href=f"#{name}")
    if alternatives := schema.get("anyOf"):
        return joined(*dict.fromkeys(map(in_words, alternatives)), by=" or ")
    if "const" in schema or "enum" in schema:
        values = schema.get("enum") or [schema["const"]]
        return joined(*(element("code", json_text(value)) for value in values), by=" or ")
    if "contentSchema" in schema:
        return joined("JSON text of ", in_words(schema["contentSchema"]))
    if schema.get("type") == "array":
        return joined("list of ", in_words(schema.get("items", {})), *_bounds(schema))
    kind = schema.get("format") or schema.get("type") or "anything"
    return joined(kind, *_bounds(schema))


def members(schema: Schema) -> Markup:
    """The members of an object, one below the other; of anything else its one line."""
    if "properties" not in schema:
        return element("p", in_words(schema))
    required = schema.get("required", ())
    rows = [_member(name, member, name in required) for name, member in schema["properties"].items()]
    return element("ul", *rows, class_="members")


def _member(name: str, schema: Schema, required: bool) -> Markup:
    optional = "" if required else element("span", "optional", class_="aside")
    default = schema.get("default")
    otherwise = element("span", "else ", element("code", json_text(default)), class_="aside") if default else ""
    what = element("p", prose(schema["description"])) if "description" in schema else ""
    return element(
        "li",
        element("code", name),
        " ",
        element("span", in_words(schema), class_="type"),
        " ",
        optional,
        " ",
        otherwise,
        what,
    )


def _bounds(schema: Schema) -> Iterator[str]:
    for name, words in BOUNDS.items():
        if name in schema:
            yield f", {words.format(schema[name])}"
