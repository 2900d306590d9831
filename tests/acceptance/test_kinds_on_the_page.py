"""The kinds that come with it, on real data, from the page in a real browser, with files on a disk and in S3."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import lightgbm
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.acceptance.service import Service
from tests.chromium import END_MS, choose, chromium, drop, look_into, opened, start
from workers.handlers import ffmpeg


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, service: Service) -> Iterator[Page]:
    with opened(browser, service.url) as page:
        yield page


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of test card and tone."""
    path = tmp_path_factory.mktemp("clip") / "test card.mp4"
    _ffmpeg("-f", "lavfi", "-i", "testsrc=duration=2:size=160x120", "-f", "lavfi", "-i", "sine=duration=2", path)
    return path


def test_a_dropped_clip_comes_back_transcoded(page: Page, clip: Path, tmp_path: Path) -> None:
    choose(page, "countdown")
    drop(page, clip)
    expect(page.locator("[name=kind]")).to_have_value("transcode")
    page.fill("[name=height]", "60")
    made = _downloaded(page, look_into(start(page)), "test card.mp4", tmp_path)
    assert "x60" in _ffmpeg("-i", made, "-f", "null", "-")


def test_a_report_is_asked_of_several_files_by_their_names(page: Page, sales: Path, tmp_path: Path) -> None:
    (tmp_path / "2026 towns.csv").write_text("town,region\nKiel,north\nUlm,south\n")
    choose(page, "report")
    page.set_input_files("[name=inputs]", [sales, tmp_path / "2026 towns.csv"])
    expect(page.locator(".upload")).to_contain_text("uploaded as sales, _2026_towns", timeout=END_MS)
    page.fill("[name=sql]", "SELECT town, count(*) AS sales\nFROM sales JOIN _2026_towns USING (region)\nGROUP BY town")
    page.select_option("[name=format]", "csv")
    card = look_into(start(page))
    made = _downloaded(page, card, "report.csv", tmp_path)
    assert sorted(made.read_text().split()) == ["Kiel,10000", "Ulm,10000", "town,sales"]
    assert "<svg" in _downloaded(page, card, "report.html", tmp_path).read_text()


def test_a_training_brings_its_model_and_curves_that_stay(page: Page, sales: Path, tmp_path: Path) -> None:
    choose(page, "train")
    page.set_input_files("[name=data]", sales)
    page.fill("[name=target]", "cents")
    page.fill("[name=rounds]", "20")
    card = look_into(start(page))
    made = _downloaded(page, card, "model.txt", tmp_path)
    assert lightgbm.Booster(model_file=made).num_trees() == 20
    page.reload()
    curves = card.locator(".curves figure path")
    expect(curves).to_have_count(2, timeout=END_MS)
    for curve in (curves.first, curves.last):
        expect(curve).to_have_attribute("d", re.compile(r"^M0 [^L]*(L[^L]*){19}$"))


def _downloaded(page: Page, card: Locator, name: str, folder: Path) -> Path:
    """What a click on it brings. The page stays where it is."""
    url = page.url
    expect(card.locator(".status")).to_have_text("completed", timeout=END_MS)
    with page.expect_download(timeout=END_MS) as download:
        card.locator(f"[download='{name}']").click(timeout=END_MS)
    target = folder / "made" / name
    download.value.save_as(target)
    assert page.url == url
    expect(card).to_be_visible()
    return target


def _ffmpeg(*arguments: str | Path) -> str:
    """Run ffmpeg; what it said."""
    done = subprocess.run([ffmpeg.executable(), "-y", *arguments], capture_output=True, text=True, check=True)
    return done.stderr
