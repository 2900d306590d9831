import re
import runpy
from pathlib import Path

import pytest
from typer.main import get_command

from app.cli.commands import app as cli
from tests.docs.blocks import pages

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


@pytest.mark.parametrize("page", ["settings", "errors", "events", "params"])
def test_a_generated_page_is_what_the_code_says(page: str) -> None:
    generate = runpy.run_path(str(DOCS / "generate.py"))
    assert (DOCS / f"{page}.md").read_text() == generate["PAGES"][page]()


@pytest.mark.parametrize("page", pages())
def test_what_a_page_leads_to_and_names_as_proof_is_there(page: str) -> None:
    text = re.sub(r"^```.*?^```$", "", (ROOT / page).read_text(), flags=re.MULTILINE | re.DOTALL)
    links = [link for link in re.findall(r"""(?:\]\(|src="|srcset=")([^)"\s]+)""", text) if "://" not in link]
    proofs = re.findall(r"`(tests/[\w/.]+)`", text)
    missing = [link for link in links if not _there(ROOT / page, *link.split("#"))]
    assert missing + [proof for proof in proofs if not (ROOT / proof).exists()] == []


def _there(page: Path, path: str, anchor: str = "") -> bool:
    """As GitHub makes anchors of headings."""
    target = page.parent / path if path else page
    if not target.exists() or not anchor:
        return target.exists()
    headings = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
    return anchor in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_room_of_the_house_is_on_its_plan() -> None:
    plan = (DOCS / "architecture.md").read_text()
    rooms = [path.stem for path in (ROOT / "app").iterdir() if path.stem not in ("__init__", "__pycache__")]
    assert [room for room in rooms if not re.search(rf"\b{room}\b", plan)] == []


def test_every_file_that_the_plan_names_is_there() -> None:
    named = re.findall(r"`([\w/]+\.(?:py|lua))`", (DOCS / "architecture.md").read_text())
    places = [ROOT / place for place in ("", "app", "workers", "app/store", "app/store/lua", "app/store/lua/parts")]
    assert [name for name in named if not any((place / name).exists() for place in places)] == []


def test_what_a_page_calls_make_for_is_a_target() -> None:
    targets = set(re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    called = {
        name for page in pages() for name in re.findall(r"`(?:\w+=\S+ )*make ([a-z]+)", (ROOT / page).read_text())
    }
    assert called
    assert called <= targets


def test_every_command_that_a_page_names_is_one() -> None:
    known = get_command(cli).commands  # type: ignore[attr-defined]
    called = {name for page in pages() for name in re.findall(r"`tidings ([a-z]+)", (ROOT / page).read_text())}
    assert called
    assert called <= set(known)
