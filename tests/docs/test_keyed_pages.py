"""The same as `test_pages.py`, for pages whose service asks for keys: on security, and on applications in front."""

from collections.abc import Callable

import pytest

from tests.docs.blocks import keyed, pages


@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", [page for page in pages() if keyed(page)])
def test_every_command_and_snippet_of_the_page_does_what_it_says(page: str, followed: Callable[[str], None]) -> None:
    followed(page)
