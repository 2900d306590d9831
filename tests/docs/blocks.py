"""The fenced blocks of a page, as its reader takes them. For `tests/docs/reader.py`.

- A block is run; one whose first line is a comment with the name of a file is kept as that file instead.
- `sh server=9000` is a command that stays, and listens there.
- A `text` block right under a block that is run is what that says, with `…` for what differs each time. Elsewhere it is
  a drawing.
"""

import re
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
SHOWN: Final = ("", "text", "dockerfile")
"""What is to be looked at only; deploy/Dockerfile is read by a linter of its own."""

IN_BROWSERS: Final = {"docs/clients.md": ("html", "js")}
"""What `tests/static/test_docs.py` gives to a page of another site."""

_FENCED: Final = re.compile(r"^```(\w*)(?: server=(\d+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NAME: Final = re.compile(r"(?:#|//|<!--) ([\w./-]+\.\w+)(?: -->)?\n")


@dataclass(frozen=True)
class Block:
    """`port` is where it listens, of one that stays; `output` what it is to say, where the page shows it."""

    place: str
    language: str
    text: str
    port: str | None
    output: str | None = None

    @cached_property
    def file(self) -> str | None:
        """The name of the file that it is."""
        named = _NAME.match(self.text)
        return named[1] if named else None

    @property
    def settings(self) -> dict[str, str]:
        """Of Tidings, as given to the command that starts it."""
        return dict(re.findall(r"\b(TIDINGS_\w+)=(\S+)", self.text))


def pages() -> list[str]:
    """Every page there is, from the root."""
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    return sorted(str(path.relative_to(ROOT)) for path in found)


def blocks(page: str) -> list[Block]:
    """What a reader of the page is to do, in order."""
    text = (ROOT / page).read_text()
    found: list[Block] = []
    end, runs = 0, False
    for fenced in _FENCED.finditer(text):
        language, port, inner = fenced.groups()
        if language == "text" and runs and not text[end : fenced.start()].strip():
            found[-1] = replace(found[-1], output=inner)
        runs = language not in SHOWN and language not in IN_BROWSERS.get(page, ())
        if runs:
            line = text.count("\n", 0, fenced.start()) + 1
            found.append(Block(f"{page}:{line}", language, inner, port))
        end = fenced.end()
    return found


def keyed(page: str) -> bool:
    """Whether its reader starts a service that asks for keys."""
    return any("TIDINGS_AUTH" in block.settings for block in blocks(page) if block.port)
