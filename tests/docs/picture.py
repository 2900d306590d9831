"""What the first screen of the README shows: the page with some jobs, in light and dark. `make picture` takes it anew.

Called by `tests/docs/test_pages.py`, so the page is seen as the tests see it.
"""

import subprocess
from pathlib import Path
from typing import Any, Final

from imageio_ffmpeg import get_ffmpeg_exe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, expect

from app.client import Client
from tests.conftest import eventually
from tests.docs.blocks import ROOT

SCREENS: Final = ROOT / "build" / "screens"
SIZE: Final = {"width": 1200, "height": 760}
SCHEMES: Final = ("light", "dark")
SETTLED_MS: Final = 1_500
"""For what moves in."""

TOTALS: Final = "SELECT town, count(*) AS homes, avg(price) AS price FROM homes GROUP BY town ORDER BY price DESC"


def take(browser: Browser, url: str) -> list[Path]:
    """The pictures, one for each scheme."""
    SCREENS.mkdir(parents=True, exist_ok=True)
    with Client(url) as tidings:
        running = _submitted(tidings, SCREENS)
        try:
            return [_shot(browser, url, scheme) for scheme in SCHEMES]
        finally:
            for job_id in running:
                tidings.cancel(job_id)


def _submitted(tidings: Client, folder: Path) -> list[str]:
    """A job of every sort, as somebody might have them; the ids of those that run."""
    homes, film = _homes(folder / "homes.csv"), _film(folder / "holiday.mp4")
    table = tidings.upload(homes)["input"]
    cancelled = tidings.submit("countdown", {"seconds": 600}, tags=["nightly"])["job_id"]
    tidings.cancel(cancelled, reason="not tonight")
    for kind, params in (
        ("transcode", {"input": tidings.upload(film)["input"], "format": "webm", "height": 90, "thumbnails": 3}),
        ("report", {"sql": TOTALS.replace("town", "twon", 1), "inputs": {"homes": table}}),
        ("report", {"sql": TOTALS, "inputs": {"homes": table}, "format": "xlsx"}),
    ):
        tidings.wait(tidings.submit(kind, params, tags=["customer-7"])["job_id"])
    training = {"data": table, "target": "price", "rounds": 100_000, "parameters": {"learning_rate": 0.001}}
    running = [
        tidings.submit("train", training | {"early_stopping_rounds": None}, tags=["prices"])["job_id"],
        tidings.submit("countdown", {"seconds": 45, "steps": 90}, tags=["customer-7"])["job_id"],
    ]
    eventually(lambda: all(_percent(tidings.job(job_id)) > 8 for job_id in running[1:]), 60)
    return running


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


def _shot(browser: Browser, url: str, scheme: str) -> Path:
    context = browser.new_context(viewport=SIZE, color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(url)
    expect(page.get_by_role("progressbar").first).to_be_visible()
    page.wait_for_timeout(SETTLED_MS)
    target = SCREENS / f"page-{scheme}.png"
    page.screenshot(path=target)
    context.close()
    return target
