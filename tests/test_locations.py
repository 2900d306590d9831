import errno
import time
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from redis.asyncio import Redis

from app.errors import UnknownInput
from app.intake.inputs import Inputs
from app.locations import Locations
from app.objects import Unfit, tree, untold
from app.settings import Settings
from app.store import JobStore, UploadStore
from tests.gateway import PATIENCE_SECONDS, Gateway, signer

LARGE: Final = bytes(range(256)) * (9 << 12)
"""More than a part."""


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


class Lake:
    """A root in S3 that is called `lake`, with something beside it."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.settings: dict[str, Any] = gateway.settings()
        base = self.settings["store_url"]
        self.settings["data_roots"] = {"lake": f"{base}/lake"}
        self._prefix = base.removeprefix("s3://files/")
        self.put("lake/2026/a.csv", b"a")
        self.put("lake/2026/deep/b c%20.csv", LARGE)
        self.put("lake/2026.csv", b"other")
        self.put("lake-secret/a.csv", b"hidden")
        self.put("secret.csv", b"hidden")

    def put(self, key: str, content: bytes) -> None:
        url = signer(self._gateway.endpoint).link("PUT", f"{self._prefix}/{key}", {}, int(time.time() * 1000), 60)
        httpx.put(url, content=content).raise_for_status()

    def locations(self) -> Locations:
        return Locations.of(Settings(**self.settings), patience_seconds=PATIENCE_SECONDS)


@pytest.fixture
def lake(gateway: Gateway) -> Lake:
    return Lake(gateway)


def tree_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("place", ["lake/2026", "lake/2026/"])
def test_a_folder_in_s3_is_fetched_with_all_below_it(lake: Lake, tmp_path: Path, place: str) -> None:
    lake.put("lake/2026/marker", b"")
    found = lake.locations().fetch(place, tmp_path, untold)
    assert found == tmp_path / "2026"
    assert tree_of(found) == {"a.csv": b"a", "deep/b c%20.csv": LARGE}


def test_a_root_in_s3_is_a_folder_itself(lake: Lake, tmp_path: Path) -> None:
    assert set(tree_of(lake.locations().fetch("lake", tmp_path, untold))) == {
        "2026.csv",
        "2026/a.csv",
        "2026/deep/b c%20.csv",
    }


def test_a_file_in_s3_is_fetched_under_its_name(lake: Lake, tmp_path: Path) -> None:
    found = lake.locations().fetch("lake/2026/deep/b c%20.csv", tmp_path, untold)
    assert (found, found.read_bytes()) == (tmp_path / "b c%20.csv", LARGE)


@pytest.mark.parametrize("later", [LARGE[::-1], LARGE + b"more", LARGE[:1000], b""], ids=len)
def test_a_file_in_s3_that_changes_while_it_is_fetched_becomes_no_mixture(
    lake: Lake, tmp_path: Path, later: bytes
) -> None:
    def told(moved: int) -> None:
        if 0 < moved < len(LARGE):
            lake.put("lake/2026/deep/b c%20.csv", later)

    with pytest.raises(OSError, match="has changed while it was read") as raised:
        lake.locations().fetch("lake/2026/deep/b c%20.csv", tmp_path, told)
    assert raised.value.errno == errno.ESTALE
    assert not tree_of(tmp_path)


@pytest.mark.parametrize(
    "path", ["/../secret.csv", "/2026/../../secret.csv", "//secret.csv", "/2026//a.csv", "/./2026", "/..", "/a\0", "//"]
)
def test_no_path_leads_out_of_a_root_in_s3(lake: Lake, tmp_path: Path, path: str) -> None:
    locations = lake.locations()
    assert not locations.knows(f"lake{path}")
    with pytest.raises(FileNotFoundError):
        locations.fetch(f"lake{path}", tmp_path, untold)
    assert not tree_of(tmp_path)


@pytest.mark.parametrize("path", ["none", "202", "2026/a", "-secret", "%2e%2e/secret.csv", "2026.csv/x"])
def test_what_is_not_in_s3_is_not_found(lake: Lake, tmp_path: Path, path: str) -> None:
    with pytest.raises(FileNotFoundError):
        lake.locations().fetch(f"lake/{path}", tmp_path, untold)
    assert not tree_of(tmp_path)


def test_a_folder_in_s3_has_bounds(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    locations = lake.locations()
    monkeypatch.setattr(tree, "MOST_FILES", 1)
    with pytest.raises(Unfit, match="holds more than 1 files"):
        locations.fetch("lake/2026", tmp_path, untold)
    assert locations.fetch("lake/2026/deep", tmp_path, untold)
    monkeypatch.setattr(tree, "LARGEST_SHARE", 1e-15)
    for place in ("lake/2026/deep", "lake/2026/a.csv"):
        with pytest.raises(Unfit, match="larger than the worker's disk has room for"):
            locations.fetch(place, tmp_path, untold)


def test_an_s3_that_stays_away_is_no_missing_input(lake: Lake, gateway: Gateway, tmp_path: Path) -> None:
    with gateway.away(), pytest.raises(ConnectionError):
        lake.locations().fetch("lake/2026", tmp_path, untold)


@pytest.mark.parametrize("url", ["s3://", "s3://Bucket/x", "s3://key:not-to-be-told@bucket", "s3:/bucket/x"])
def test_a_root_in_s3_needs_an_url_and_a_key(lake: Lake, url: str) -> None:
    with pytest.raises(ValueError, match="must be a folder or s3://bucket/prefix") as raised:
        Settings(**lake.settings | {"data_roots": {"lake": url}})
    assert "not-to-be-told" not in str(raised.value)
    with pytest.raises(ValueError, match="needs TIDINGS_S3_ACCESS_KEY_ID"):
        Settings(data_roots={"lake": "s3://bucket/x"})
