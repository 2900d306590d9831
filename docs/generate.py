"""Writes the pages of `docs/` that are made from the code: `python docs/generate.py`.

A test fails when one is behind.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, get_args, get_type_hints

from pydantic import TypeAdapter
from pydantic_core import PydanticUndefined, to_json
from pydantic_settings import BaseSettings

from app.errors import REFUSALS
from app.events import CONFLATED, KEPT
from app.failures import FAILURES
from app.jobs import TERMINAL
from app.settings import PARTS
from app.shapes.event import CustomEvent, LogEntry, Snapshot
from app.store import Kind
from workers.registry import Registry

Schema = Mapping[str, Any]

SETTINGS = """# Settings

Every setting is an environment variable, read once at start; an option of the command line wins over its variable.
Times are seconds and sizes bytes unless a name says otherwise. This page is written by `python docs/generate.py`.
"""

PART = """
## {}

| variable | default | what it does |
| --- | --- | --- |
"""

ERRORS = """# Refusals and failures

A request that is not done is refused; a job that was accepted and came to nothing has failed. This page is written by
`python docs/generate.py`.

## Refusals

What is refused is answered as problem details (RFC 9457, `application/problem+json`) with a `code` that never changes,
and with `detail` about this very request. `type` leads to the code's entry on a running service's `/docs/errors`. On a
multiplexed WebSocket the code comes in an `error` frame.

| status | code | when it comes | how to mend it |
| --- | --- | --- | --- |
"""

FAILED = """
## Failures

Why a job is `failed`: its `error.code`. Handlers have codes of their own beside these; those of the kinds that come
with Tidings are in [kinds.md](kinds.md). A job is tried again while it has attempts left, unless its handler says that
none would end otherwise.

| code | when it comes | tried again |
| --- | --- | --- |
"""


def settings_page() -> str:
    """The whole of `settings.md`."""
    return SETTINGS + "".join(_part(part) for part in PARTS)


def _part(part: type[BaseSettings]) -> str:
    rows = [
        f"| `TIDINGS_{name.upper()}` | {_default(field.default)} | {field.description} |\n"
        for name, field in part.model_fields.items()
    ]
    return PART.format(part.__doc__) + "".join(rows)


def _default(value: Any) -> str:
    if value is PydanticUndefined or value in ((), None) or not str(value):
        return ""
    return f"`{','.join(value) if isinstance(value, tuple) else value}`"


def errors_page() -> str:
    """The whole of `errors.md`."""
    rows = []
    for refusal in REFUSALS:
        when, remedy = (" ".join(text.split()) for text in refusal.explained())
        rows.append(f"| {refusal.status} | `{refusal.code}` | {when} | {remedy} |\n")
    failures = (f"| `{one.code}` | {one.when} | {'yes' if one.again else 'no'} |\n" for one in FAILURES)
    return ERRORS + "".join(rows) + FAILED + "".join(failures)


EVENTS = """# Events

What happens to a job is numbered and kept: its log. An event is the same object on every transport: SSE's `data:`, a
line of a WebSocket's frame, an entry of the JSON log.

```text
{"job_id": "k7q…", "seq": 4, "type": "progress", "at": "2026-01-31T12:00:00.000Z", "data": {"percent": 42}}
```

`seq` counts from 1 within a job. `data` has the members below; what ends with `?` may be missing. Later versions may
add members and types: ignore what you do not know. How a client follows them is in [pattern.md](pattern.md), the wire
in [api.md](api.md#streams). This page is written by `python docs/generate.py`.

A log keeps 10,000 events (`TIDINGS_MAX_LOG_EVENTS`). Beyond that its oldest go: those of the types below of which it
says so, and a handler's own; only where nothing else is left, a quarter of the others. Who asks for what has gone is
sent a `snapshot` with `reset`, and goes on from there.

| type | what it says | in the log |
| --- | --- | --- |
"""

MEMBERS = """
| member | type | |
| --- | --- | --- |
"""

PARAMS = """# Params of the kinds that come with Tidings

What goes into `params`, as `GET /api/kinds` and `tidings kinds` tell it too; more of each kind is in
[kinds.md](kinds.md). A `tidings-input` is a file: `upload:<id>`, `artifact:<job id>/<name>` of another job, or
`location:<root>/<path>` below one of `TIDINGS_DATA_ROOTS`. This page is written by `python docs/generate.py`.
"""

PARAM = """
## {kind}

{description} An attempt has {timeout} s, a job {attempts} of them.

| param | type | default | |
| --- | --- | --- | --- |
"""

BOUNDS: Final = {
    "minimum": "≥ {}",
    "exclusiveMinimum": "> {}",
    "maximum": "≤ {}",
    "exclusiveMaximum": "< {}",
    "maxLength": "at most {} characters",
    "maxItems": "at most {} of them",
    "maxProperties": "at most {} of them",
}


def events_page() -> str:
    """The whole of `events.md`."""
    told = [*(event for event in get_args(LogEntry) if event is not CustomEvent), CustomEvent, Snapshot]
    rows = (f"| {_anchor(event)} | {_said(event)} | {_kept(_type(event))} |\n" for event in told)
    parts = (f"\n## {_type(event)}\n\n{_said(event)}\n{_members(event)}" for event in told if event is not CustomEvent)
    return EVENTS + "".join(rows) + "".join(parts)


def _type(event: type) -> str:
    (name,) = get_args(get_type_hints(event)["type"]) or ("",)
    return str(name)


def _anchor(event: type) -> str:
    return f"[`{_type(event)}`](#{_type(event)})" if event is not CustomEvent else "any other name"


def _said(event: type) -> str:
    """Its own docstring and its data's, of which either may be all there is to say."""
    data = get_type_hints(event)["data"]
    docs = (event.__doc__, data.__doc__ if data.__name__.endswith(("Data", "JobObject")) else None)
    return " ".join(" ".join(doc.split()) for doc in docs if doc)


def _kept(name: str) -> str:
    if name in CONFLATED:
        return "the latest only"
    if name == "snapshot":
        return "not in it"
    return "always; the end" if name in TERMINAL else "always" if name in KEPT else "the oldest go first"


def _members(event: type) -> str:
    schema = TypeAdapter(get_type_hints(event, include_extras=True)["data"]).json_schema()
    required = schema.get("required", ())
    rows = (
        f"| `{name}`{'' if name in required else '?'} | {_words(member, schema)} | {_about(member, schema)} |\n"
        for name, member in schema["properties"].items()
    )
    return MEMBERS + "".join(rows)


def params_page() -> str:
    """The whole of `params.md`."""
    return PARAMS + "".join(map(_kind, sorted(Registry.load([]).kinds(), key=lambda kind: kind.kind)))


def _kind(kind: Kind) -> str:
    about = PARAM.format(
        kind=kind.kind, description=kind.description, timeout=f"{kind.timeout_seconds:,}", attempts=kind.max_attempts
    )
    required = kind.params_schema.get("required", ())
    rows = (
        f"| `{name}` | {_words(param, kind.params_schema)} | {_otherwise(name in required, param)} "
        f"| {_about(param, kind.params_schema)} |\n"
        for name, param in kind.params_schema["properties"].items()
    )
    return about + "".join(rows)


def _otherwise(required: bool, param: Schema) -> str:
    if required:
        return "must be given"
    return "" if param.get("default") is None else f"`{to_json(param['default']).decode()}`"


def _words(schema: Schema, root: Schema) -> str:
    """A JSON Schema in one line."""
    schema = _resolved(schema, root)
    if alternatives := schema.get("anyOf"):
        return " or ".join(dict.fromkeys(_words(one, root) for one in alternatives if one.get("type") != "null"))
    if "const" in schema or "enum" in schema:
        values = schema.get("enum") or [schema["const"]]
        return ", ".join(f"`{value}`" for value in values)
    if schema.get("type") == "array":
        return ", ".join([f"list of {_words(schema.get('items', {}), root)}", *_bounds(schema)])
    if members := schema.get("properties"):
        required = schema.get("required", ())
        return f"`{{{', '.join(name if name in required else f'{name}?' for name in members)}}}`"
    if "patternProperties" in schema:
        (inner,) = schema["patternProperties"].values()
        return ", ".join([f"object of {_words(inner, root)}", *_bounds(schema)])
    return ", ".join([str(schema.get("format") or schema.get("type") or "anything"), *_bounds(schema)])


def _bounds(schema: Schema) -> Iterator[str]:
    for name, words in BOUNDS.items():
        if name in schema:
            yield words.format(f"{schema[name]:,}")


def _about(schema: Schema, root: Schema) -> str:
    return " ".join(str(schema.get("description") or _resolved(schema, root).get("description", "")).split())


def _resolved(schema: Schema, root: Schema) -> Schema:
    reference = schema.get("$ref")
    found: Schema = root["$defs"][reference.rpartition("/")[2]] if reference else schema
    return found


PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "settings": settings_page,
    "errors": errors_page,
    "events": events_page,
    "params": params_page,
}

if __name__ == "__main__":
    for page, written in PAGES.items():
        Path(__file__).with_name(f"{page}.md").write_text(written())
