"""The dashboard with 2,000 jobs: how soon it is painted, and how many frames a second it keeps while events pour in.

`python -m benchmarks page`, with what the tests need installed (`make .venv/.installed-dev`): it opens a real Chromium,
without a graphics card. Twenty jobs on screen tell their progress and a line of log; all of it comes over the feed.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from time import sleep
from typing import Any

import httpx
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.rig import rig

JOBS = 2_000
TALKERS = 20
EVENTS_PER_SECOND = 200
ROUNDS = 5
WATCHED_MS = 5_000
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]

ROWS_PAINTED = """
new Promise((resolve) => {
  const look = () => {
    if (document.querySelectorAll(".job").length < 10) return requestAnimationFrame(look);
    resolve(performance.now());
  };
  look();
})"""
"""Milliseconds from the navigation to the frame that has the first rows."""

FRAMES = """
(span) => new Promise((resolve) => {
  const frames = [];
  const look = (now) => {
    frames.push(now);
    if (now - frames[0] < span) return requestAnimationFrame(look);
    const gaps = frames.slice(1).map((at, n) => at - frames[n]);
    resolve({ rate: (1000 * gaps.length) / (frames.at(-1) - frames[0]), longest: Math.max(...gaps) });
  };
  requestAnimationFrame(look);
})"""

HEARD = """
const Native = WebSocket;
window.heard = 0;
window.WebSocket = class extends Native {
  set onmessage(listen) {
    super.onmessage = (message) => { window.heard += message.data.split("\\n").length; listen?.(message); };
  }
};"""
"""Counts what the feed brings."""


def measure() -> dict[str, float]:
    """Medians of the paint, and of one watch of the frames."""
    os.environ["TIDINGS_CONCURRENCY"] = str(TALKERS)
    with rig() as running, _chromium() as browser:
        url = f"http://127.0.0.1:{running.port}"
        _submit_many(url)
        paints = [_painted(browser, url) for _ in range(ROUNDS + 1)][1:]  # the first fills the caches
        return {
            "page_first_paint_ms": round(median(first for first, _ in paints)),
            "page_first_rows_ms": round(median(rows for _, rows in paints)),
        } | _frames(browser, url)


def _submit_many(url: str) -> None:
    waiting = {"kind": "bench_loop", "delay_seconds": 86_400, "tags": ["nightly"]}
    httpx.post(f"{url}/api/batches", json={"jobs": [waiting] * JOBS}, timeout=60).raise_for_status()
    while httpx.get(f"{url}/api/queues").json()["queues"][0]["delayed"] < JOBS:
        sleep(0.1)


def _painted(browser: Browser, url: str) -> tuple[float, float]:
    with _page(browser) as page:
        page.goto(url)
        rows: float = page.evaluate(ROWS_PAINTED)
        first: float = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        return first, rows


def _frames(browser: Browser, url: str) -> dict[str, float]:
    with _page(browser) as page:
        page.add_init_script(HEARD)
        page.goto(url)
        page.locator("[data-connection=live]").wait_for()
        for _ in range(TALKERS):
            params = {"seconds": 2 * WATCHED_MS / 1000, "per_second": EVENTS_PER_SECOND / TALKERS}
            httpx.post(f"{url}/api/jobs", json={"kind": "bench_talk", "params": params}).raise_for_status()
        page.locator(f".job[data-state=processing] >> nth={TALKERS - 1}").wait_for()
        before: int = page.evaluate("window.heard")
        told: dict[str, Any] = page.evaluate(FRAMES, WATCHED_MS)
        heard: int = page.evaluate("window.heard") - before
        return {
            "page_events_per_second": round(heard / WATCHED_MS * 1000),
            "page_frames_per_second": round(told["rate"], 1),
            "page_longest_frame_ms": round(told["longest"]),
        }


@contextmanager
def _chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def _page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1360, "height": 900})
    yield context.new_page()
    context.close()
