"""The page as a user has it: opened in a real Chromium, filled in, and watched. For the tests that open it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

ARGUMENTS: Final = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
END_MS: Final = 30_000
"""The longest a job of these tests may take, and anything else that is expected of a page."""

expect.set_options(timeout=END_MS)


@contextmanager
def chromium() -> Iterator[Browser]:
    """The machine's own."""
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    assert path, "the page is tested in a real Chromium; tests/install_chromium.sh gets one"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, url: str) -> Iterator[Page]:
    """The page. A script error or a breach of the CSP fails the test; a refused request does not."""
    context = browser.new_context(base_url=url)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto("/")
    expect(page.locator("form")).to_have_attribute("data-state", "ready")
    yield page
    context.close()
    expected = ("Failed to load", "WebSocket connection", "Blocked script execution")  # the last of a page in a sandbox
    assert [complaint for complaint in complaints if not complaint.startswith(expected)] == []


def choose(page: Page, kind: str) -> None:
    """The form of that kind."""
    page.select_option("[name=kind]", kind)


def start(page: Page) -> Locator:
    """Submit the form; the new job, as a row of the list or, once looked into, as a page of its own."""
    with page.expect_response(lambda response: response.url.endswith("/api/jobs")) as accepted:
        page.click("button[type=submit]")
    title = page.locator(f"[title='{accepted.value.json()['job_id']}']")
    return page.locator(".job", has=title)


def look_into(job: Locator) -> Locator:
    """The job on a page of its own."""
    job.locator(".title").click()
    return job


def drop(page: Page, file: Path) -> None:
    """As if the user dropped that file on it."""
    make = """([name, bytes]) => {
        const transfer = new DataTransfer();
        transfer.items.add(new File([new Uint8Array(bytes)], name));
        return transfer;
    }"""
    transfer = page.evaluate_handle(make, [file.name, list(file.read_bytes())])
    page.locator("body").dispatch_event("drop", {"dataTransfer": transfer})
