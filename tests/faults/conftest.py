"""A house for each fault test, and what recovery was measured there."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from tests.faults.house import House
from tests.faults.service import Service


@pytest.fixture
async def house(short_path: Path) -> AsyncIterator[House]:
    async with House(short_path) as house:
        yield house


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    async with House(tmp_path_factory.mktemp("s")) as house:
        service = Service(house, await house.web(), await house.worker(concurrency=30))
        yield service
        assert service.web.alive
        assert service.worker.alive


@pytest.fixture
def measured(record_property: Callable[[str, object], None]) -> Callable[[str, float], None]:
    """Put a figure, in seconds unless its name says otherwise, into the summary at the end of the run."""
    return lambda what, figure: record_property("measured", (what, round(figure, 3)))
