"""A house for each fault test, and what recovery was measured there."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.faults.house import House


@pytest.fixture
async def house(short_path: Path) -> AsyncIterator[House]:
    async with House(short_path) as house:
        yield house


@pytest.fixture
def measured(record_property: Callable[[str, object], None]) -> Callable[[str, float], None]:
    """Put a figure, in seconds unless its name says otherwise, into the summary at the end of the run."""
    return lambda what, figure: record_property("measured", (what, round(figure, 3)))
