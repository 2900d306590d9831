"""The service as a user has it, and what it works on."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import duckdb
import pytest

from tests.acceptance.service import Service
from tests.gateway import STORES, store_settings

ROWS: Final = 20_000


@pytest.fixture(scope="module", params=STORES)
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Up, with files on its disk or in S3."""
    service = Service(tmp_path_factory.mktemp("service"))
    settings = store_settings(request)
    with service.up(**{f"TIDINGS_{name.upper()}": str(value) for name, value in settings.items()}):
        yield service


@pytest.fixture(scope="module")
def sales(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cents by region; the more of a product, the more cents."""
    path = tmp_path_factory.mktemp("sales") / "sales.parquet"
    duckdb.sql(
        f"""COPY (SELECT ['north', 'south'][1 + i % 2] AS region, i % 50 AS amount, 7 * (i % 50) + i % 3 AS cents
        FROM range({ROWS}) t(i)) TO '{path}'"""
    )
    return path
