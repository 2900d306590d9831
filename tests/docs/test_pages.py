"""Every command and every snippet of every page, done as it stands there. Pages whose service asks for keys are in
`test_keyed_pages.py`, as each module starts services of its own.
"""

from collections.abc import Callable
from typing import Final

import pytest

from tests.docs.blocks import ROOT, blocks, keyed, pages
from tests.docs.picture import SCHEMES

ELSEWHERE: Final = {"docs/deployment.md": "tests/test_deploy.py"}
"""Pages that need what is not on every machine, such as Docker, and the tests of what they say."""

PICTURE_BYTES: Final = 200_000


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "page", [page for page in pages() if blocks(page) and not keyed(page) and page not in ELSEWHERE]
)
def test_every_command_and_snippet_of_the_page_does_what_it_says(page: str, followed: Callable[[str], None]) -> None:
    followed(page)


def test_what_is_not_run_here_is_tested_elsewhere() -> None:
    assert set(ELSEWHERE) <= set(pages())
    assert all((ROOT / test).exists() for test in ELSEWHERE.values())


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_picture_of_the_readme_is_as_light_as_it_may_be(scheme: str) -> None:
    assert (ROOT / "docs" / "images" / f"page-{scheme}.png").stat().st_size <= PICTURE_BYTES
