"""What `docs/clients.md` promises beside its snippets."""

import re
from typing import Final

from app.cli.exits import ExitCode
from tests.docs.blocks import ROOT, blocks

CLIENTS: Final = "docs/clients.md"


def test_the_first_snippet_has_ten_lines_at_most() -> None:
    first = next(block for block in blocks(CLIENTS) if block.language == "python")
    assert len(first.text.strip().splitlines()) <= 10


def test_the_exit_codes_are_those_of_the_code() -> None:
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", (ROOT / CLIENTS).read_text(), re.MULTILINE)}
    assert listed == set(ExitCode)
