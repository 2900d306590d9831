import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"


@pytest.mark.parametrize("page", ["settings", "errors"])
def test_a_generated_page_is_what_the_code_says(page: str) -> None:
    generate = runpy.run_path(str(DOCS / "generate.py"))
    assert (DOCS / f"{page}.md").read_text() == generate[f"{page}_page"]()
