"""Writes `docs/settings.md` and `docs/errors.md` from the code: `python docs/generate.py`.

A test fails when a file is behind.
"""

from pathlib import Path
from typing import Any

from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from app.errors import REFUSALS
from app.failures import FAILURES
from app.settings import PARTS

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


if __name__ == "__main__":
    Path(__file__).with_name("settings.md").write_text(settings_page())
    Path(__file__).with_name("errors.md").write_text(errors_page())
