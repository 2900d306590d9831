"""The page where the service asks who is there, in a real browser."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
import redis
from playwright.sync_api import Browser, Page, expect

from tests.chromium import END_MS, choose, chromium, start
from tests.conftest import eventually
from tests.faults.house import free_port

ROOT = Path(__file__).parents[1]
COMMAND = [sys.executable, "-m", "app.cli"]


class Service(NamedTuple):
    url: str
    key: str
    operator: str


@pytest.fixture
def service(valkey: str, tmp_path: Path) -> Iterator[Service]:
    """A web process that asks for keys, and a worker."""
    with redis.Redis.from_url(valkey) as client:
        client.flushall()
    url = f"http://127.0.0.1:{free_port()}"
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "TIDINGS_REDIS_URL": valkey,
        "TIDINGS_DATA_DIR": str(tmp_path),
        "TIDINGS_PORT": url.rpartition(":")[2],
        "TIDINGS_AUTH": "keys",
        "TIDINGS_HANDLERS": "tests.page_handlers",
        "TIDINGS_LOG_LEVEL": "warning",
    }
    key = _key(environment, "ann")
    processes = [subprocess.Popen([*COMMAND, role], cwd=ROOT, env=environment) for role in ("web", "worker")]
    try:
        eventually(lambda: "gallery" in _kinds(url, key))
        yield Service(url, key, _key(environment, "ops", "--scopes", "read,admin"))
    finally:
        for process in processes:
            process.terminate()
        assert [process.wait(20) for process in processes] == [0, 0]


def _key(environment: dict[str, str], *more: str) -> str:
    return subprocess.check_output([*COMMAND, "keys", "create", *more], cwd=ROOT, env=environment, text=True).strip()


def _kinds(url: str, key: str) -> str:
    try:
        return httpx.get(f"{url}/api/kinds", headers={"Authorization": f"Bearer {key}"}).text
    except httpx.TransportError:
        return ""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, service: Service) -> Iterator[Page]:
    context = browser.new_context(base_url=service.url)
    page = context.new_page()
    page.goto("/")
    yield page
    context.close()


def test_it_asks_for_a_key_and_then_does_all_that_it_does(page: Page, service: Service) -> None:
    entry, field = page.locator("#entry"), page.get_by_label("API key")
    expect(entry).to_be_visible()
    field.fill("tdg_x")
    field.press("Enter")
    expect(entry.get_by_role("alert")).to_contain_text("not valid")
    field.fill(service.key)
    entry.get_by_role("button").click()
    expect(entry).to_be_hidden()
    expect(page.locator("form")).to_have_attribute("data-state", "ready")
    choose(page, "countdown")
    page.fill("[name=seconds]", "2")
    job = start(page)
    expect(page.locator("#line")).to_have_text("live")
    expect(job.locator(".status")).to_have_text("completed", timeout=END_MS)
    assert (
        page.evaluate("fetch('/api/kinds').then(({ status }) => status)") == 200
    )  # pictures have but the cookie to show
    assert "tidings" not in page.evaluate("document.cookie")
    page.reload()
    expect(page.locator("form")).to_have_attribute("data-state", "ready")
    expect(entry).to_be_hidden()


def test_an_operator_sees_what_jobs_of_others_left(page: Page, service: Service) -> None:
    """Pictures and streams have but the cookie to show."""
    shown = {"Authorization": f"Bearer {service.key}"}
    accepted = httpx.post(f"{service.url}/api/jobs", headers=shown, json={"kind": "gallery"}).raise_for_status()
    page.get_by_label("API key").fill(service.operator)
    page.get_by_label("API key").press("Enter")
    page.locator(f"[title='{accepted.json()['job_id']}']").click()
    expect(page.locator(".job .status")).to_have_text("completed", timeout=END_MS)
    page.locator("summary[aria-label='Preview picture.png']").wait_for()
    picture = page.locator("img[alt='picture.png']")
    eventually(lambda: picture.evaluate("(shown) => shown.naturalWidth") > 0)
    status = "fetch('/api/events?owner=*').then(({ status, body }) => (body.cancel(), status))"
    assert page.evaluate(status) == 200
