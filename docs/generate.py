"""Writes `docs/settings.md` from the code. `python docs/generate.py`; a test fails when the file is behind."""

from pathlib import Path
from typing import Any

from pydantic_core import PydanticUndefined

from app.settings import Settings

HEAD = """# Settings

Every setting is an environment variable, read once at start; an option of the command line wins over its variable.
Times are seconds and sizes bytes unless a name says otherwise. This page is written by `python docs/generate.py`.

| variable | default | what it does |
| --- | --- | --- |
"""


def settings_page() -> str:
    """The whole page."""
    rows = []
    for name, field in Settings.model_fields.items():
        rows.append(f"| `TIDINGS_{name.upper()}` | {_default(field.default)} | {field.description} |\n")
    return HEAD + "".join(rows)


def _default(value: Any) -> str:
    if value is PydanticUndefined or value == () or not str(value):
        return ""
    return f"`{','.join(value) if isinstance(value, tuple) else value}`"


if __name__ == "__main__":
    Path(__file__).with_name("settings.md").write_text(settings_page())
