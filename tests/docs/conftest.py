"""What the tests of a module share: services as pages ask for them, ports, and a browser."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, expect

from tests.chromium import END_MS, chromium
from tests.docs.blocks import blocks
from tests.docs.reader import Reader
from tests.docs.service import Services
from tests.faults.house import free_port

APPLICATION: Final = "9000"
"""Where pages have their reader's own application; it is looked at."""

PROXY: Final = "8080"


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with Services(tmp_path_factory.mktemp("services")) as services:
        yield services


@pytest.fixture(scope="module")
def ports() -> dict[str, str]:
    """The same for all pages, as a service lets in what listens there."""
    return {port: str(free_port()) for port in (APPLICATION, PROXY)}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def followed(
    services: Services, ports: dict[str, str], tmp_path: Path, request: pytest.FixtureRequest
) -> Callable[[str], None]:
    """Follows a page from its first block to its last, and looks at the application it makes."""

    def follow(page: str) -> None:
        with Reader(page, tmp_path, services, ports) as reader:
            reader.follow()
            if any(block.port == APPLICATION for block in blocks(page)):
                _look(request.getfixturevalue("browser"), f"http://127.0.0.1:{ports[APPLICATION]}")

    return follow


def _look(browser: Browser, url: str) -> None:
    """The application shows a job to its end."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(url)
    for button in page.get_by_role("button").all():
        button.click()
    expect(page.get_by_role("progressbar")).to_be_visible(timeout=END_MS)
    expect(page.locator("[data-state=completed]").first).to_be_visible(timeout=END_MS)
    context.close()
