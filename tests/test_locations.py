from pathlib import Path

import pytest
from redis.asyncio import Redis

from app.errors import UnknownInput
from app.intake.inputs import Inputs
from app.locations import Locations
from app.settings import Settings
from app.store import JobStore, UploadStore


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "2026").mkdir(parents=True)
    (root / "2026" / "sales.csv").write_text("a\n1\n")
    (tmp_path / "secret").write_text("hidden")
    (root / "link").symlink_to(tmp_path / "secret")
    (root / "inner").symlink_to(root / "2026")
    return root


@pytest.mark.parametrize(
    "place", ["sales/2026/sales.csv", "sales/2026", "sales", "sales/inner/sales.csv", "sales//2026"]
)
def test_what_lies_below_a_root_is_found(root: Path, place: str) -> None:
    found = Locations({"sales": root}).find(place)
    assert found
    assert found.is_relative_to(root)


@pytest.mark.parametrize(
    "place",
    [
        "",
        "other/x",
        "sales/../secret",
        "sales/link",
        "sales/nothing",
        "sales/2026/../../secret",
        "sales/a\0b",
        "../sales",
    ],
)
def test_what_does_not_is_not(root: Path, place: str) -> None:
    assert Locations({"sales": root}).find(place) is None


def test_roots_are_named_in_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDINGS_DATA_ROOTS", "sales=/data/sales, logs = /mnt/a=b")
    assert Settings().data_roots == {"sales": Path("/data/sales"), "logs": Path("/mnt/a=b")}


async def test_a_submission_may_name_a_known_root_only(jobs: JobStore, redis: Redis) -> None:
    inputs = Inputs(jobs, UploadStore(redis, 3600), Locations({"sales": Path("/elsewhere")}))
    await inputs.hold({"location:sales/2026": "/params/data"}, "me", 1000)
    for text in ("location:other/x", "location:sales/../x", "location:"):
        with pytest.raises(UnknownInput):
            await inputs.hold({text: "/params/data"}, "me", 1000)
