"""Every command and every snippet of every page, done as it stands there."""

from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, expect

from tests.chromium import END_MS
from tests.docs.blocks import ROOT, blocks, pages
from tests.docs.picture import SCHEMES
from tests.docs.reader import Reader
from tests.docs.service import Services
from tests.faults.house import free_port

ELSEWHERE: Final = {"docs/deployment.md": "tests/test_deploy.py"}
"""Pages that need what is not on every machine, such as Docker, and the tests of what they say."""

APPLICATION: Final = "9000"
"""Where pages have their reader's own application; it is looked at."""

PICTURE_BYTES: Final = 200_000

PAGES: Final = [page for page in pages() if blocks(page) and page not in ELSEWHERE]


@pytest.fixture(scope="module")
def ports() -> dict[str, str]:
    """The same for all pages, as a service lets in what listens there."""
    return {port: str(free_port()) for port in (APPLICATION, "8080")}


@pytest.mark.parametrize("page", PAGES)
def test_every_command_and_snippet_of_the_page_does_what_it_says(
    page: str, services: Services, ports: dict[str, str], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    with Reader(page, tmp_path, services, ports) as reader:
        reader.follow()
        if any(block.port == APPLICATION for block in blocks(page)):
            look(request.getfixturevalue("browser"), f"http://127.0.0.1:{ports[APPLICATION]}")


def look(browser: Browser, url: str) -> None:
    """The application shows a job to its end."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(url)
    for button in page.get_by_role("button").all():
        button.click()
    expect(page.get_by_role("progressbar")).to_be_visible(timeout=END_MS)
    expect(page.locator("[data-state=completed]").first).to_be_visible(timeout=END_MS)
    context.close()


def test_what_is_not_run_here_is_tested_elsewhere() -> None:
    assert set(ELSEWHERE) <= set(pages())
    assert all((ROOT / test).exists() for test in ELSEWHERE.values())


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_picture_of_the_readme_is_as_light_as_it_may_be(scheme: str) -> None:
    assert (ROOT / "docs" / "images" / f"page-{scheme}.png").stat().st_size <= PICTURE_BYTES
