"""What the first screen of the README shows: the page with some jobs, in light and dark. `make picture` takes it anew.

The service and the browser are those of the tests of the docs.
"""

import os
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Literal

from imageio_ffmpeg import get_ffmpeg_exe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, expect

from app.client import Client
from tests.chromium import chromium
from tests.conftest import eventually
from tests.docs.blocks import ROOT
from tests.docs.service import Services

IMAGES: Final = ROOT / "docs" / "images"
SCHEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
WIDTH: Final = 1360
HEIGHT: Final = 480
SETTLED_MS: Final = 1_500
"""For what moves in."""

TOTALS: Final = "SELECT town, count(*) AS homes, avg(price) AS price FROM homes GROUP BY town ORDER BY price DESC"


def main() -> None:
    """The pictures, one for each scheme."""
    with TemporaryDirectory() as name, Services(Path(name)) as services, chromium() as browser:
        folder = Path(name)
        env = {"HOME": name, "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        url = f"http://127.0.0.1:{services.of({}, folder, env).port}"
        with Client(url) as tidings:
            _submit(tidings, folder)
        for scheme in SCHEMES:
            _take(browser, url, scheme)


def _submit(tidings: Client, folder: Path) -> None:
    """Jobs of every sort, as somebody might have them."""
    homes, film = _homes(folder / "homes.csv"), _film(folder / "holiday.mp4")
    table = tidings.upload(homes)["input"]
    tidings.cancel(tidings.submit("countdown", {"seconds": 600}, tags=["nightly"])["job_id"], reason="not tonight")
    for kind, params in (
        ("transcode", {"input": tidings.upload(film)["input"], "format": "webm", "height": 90, "thumbnails": 3}),
        ("report", {"sql": TOTALS.replace("town", "twon", 1), "inputs": {"homes": table}}),
        ("report", {"sql": TOTALS, "inputs": {"homes": table}, "format": "xlsx"}),
    ):
        tidings.wait(tidings.submit(kind, params, tags=["customer-7"])["job_id"])
    learning = {"data": table, "target": "price", "rounds": 20_000, "parameters": {"learning_rate": 0.001}}
    tidings.submit("train", learning | {"early_stopping_rounds": None}, tags=["prices"])
    tidings.submit("countdown", {"seconds": 3_600}, tags=["nightly"], delay_seconds=21_600)
    watched = tidings.submit("countdown", {"seconds": 45, "steps": 90}, tags=["customer-7"])["job_id"]
    eventually(lambda: _percent(tidings.job(watched)) > 20, 60)


def _percent(job: dict[str, Any]) -> float:
    return float((job["progress"] or {}).get("percent", 0))


def _homes(path: Path) -> Path:
    rows = (f"{20 + n % 180},{('Ulm', 'Kiel', 'Bonn')[n % 3]},{n % 180 * 3 + n * 7919 % 97}" for n in range(4_000))
    path.write_text("area,town,price\n" + "\n".join(rows) + "\n")
    return path


def _film(path: Path) -> Path:
    picture = ("-f", "lavfi", "-i", "testsrc2=size=320x180:rate=15:duration=2")
    subprocess.run([get_ffmpeg_exe(), "-y", "-v", "error", *picture, path], check=True)
    return path


def _take(browser: Browser, url: str, scheme: Literal["light", "dark"]) -> None:
    context = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme=scheme)
    page = context.new_page()
    page.goto(url)
    expect(page.get_by_role("progressbar").first).to_be_visible()
    page.wait_for_timeout(SETTLED_MS)
    page.screenshot(path=IMAGES / f"page-{scheme}.png")
    context.close()


if __name__ == "__main__":
    main()
