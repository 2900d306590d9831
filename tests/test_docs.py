import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


@pytest.mark.parametrize("page", ["settings", "errors", "events", "params"])
def test_a_generated_page_is_what_the_code_says(page: str) -> None:
    generate = runpy.run_path(str(DOCS / "generate.py"))
    assert (DOCS / f"{page}.md").read_text() == generate["PAGES"][page]()


@pytest.mark.parametrize("page", ["SECURITY.md", "docs/deployment.md", "docs/clients.md"])
def test_what_a_page_leads_to_and_names_as_proof_is_there(page: str) -> None:
    text = (ROOT / page).read_text()
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    proofs = re.findall(r"`(tests/[\w/.]+)`", text)
    assert links
    missing = [link for link in links if not (ROOT / page).parent.joinpath(link).exists()]
    assert missing + [proof for proof in proofs if not (ROOT / proof).exists()] == []
