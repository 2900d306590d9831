"""What `docs/clients.md` shows of the elements and the client, as it stands there."""

import re

from playwright.sync_api import expect

from tests.chromium import END_MS
from tests.static.service import ROOT, Service
from tests.static.shop import Shop

PAGE = (ROOT / "docs" / "clients.md").read_text()
ADDRESS = "http://127.0.0.1:8000"


def _block(language: str) -> str:
    (block,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(block)


def test_one_line_is_all_a_page_needs(shop: Shop, service: Service) -> None:
    job_id = service.submit("ticks", count=5)
    token = service.token(jobs=[job_id])["token"]
    html = _block("html").replace(ADDRESS, service.url).replace("k7q…", job_id).replace("tdt_…", token)
    page = shop.page(html, script="")
    expect(page.get_by_role("progressbar", name="Your video")).to_have_attribute("aria-valuenow", "100", timeout=END_MS)


def test_the_client_uploads_submits_follows_and_has_the_result(shop: Shop, service: Service) -> None:
    page = shop.page()
    told: list[str] = []
    page.on("console", lambda message: told.append(message.text))
    imported = re.sub(r'import (.*) from (".*");', r"const \1 = await import(\2);", _block("js"))
    given = 'const file = new File(["customer,price\\na,1\\nb,2\\n"], "orders.csv");'
    script = imported.replace(ADDRESS, service.url).replace("tdg_…", service.key)
    page.evaluate(f"async () => {{ {given}\n{script} }}")
    assert any(" completed " in line for line in told)
    assert "rows: 1" in told[-1]
