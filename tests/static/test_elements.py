"""The elements on a page of another site: one line of script, a token, and nothing else."""

import pytest
from playwright.sync_api import Page, expect

from tests.chromium import END_MS
from tests.conftest import eventually
from tests.static.kinds import HOSTILE
from tests.static.service import Service
from tests.static.shop import Shop


def _bar(page: Page) -> float:
    return float(page.get_by_role("progressbar").get_attribute("aria-valuenow") or 0)


def test_one_line_shows_a_job_to_its_end(shop: Shop, service: Service) -> None:
    job_id = service.submit("ticks", count=60, every=0.2)
    token = service.token(jobs=[job_id])["token"]
    page = shop.page(f'<tidings-progress job="{job_id}" token="{token}" label="Your order"></tidings-progress>')
    element = page.locator("tidings-progress")
    expect(element).to_have_attribute("data-state", "processing")
    expect(element).to_have_attribute("data-connection", "live")
    expect(element).to_contain_text("s left")
    eventually(lambda: 0 < _bar(page) < 100)
    expect(page.get_by_role("progressbar", name="Your order")).to_have_attribute("aria-valuenow", "100", timeout=END_MS)
    expect(element).to_have_attribute("data-state", "completed")
    expect(element.get_by_role("status")).to_have_text("Your order completed")
    expect(element.get_by_role("button")).to_be_hidden()


def test_it_tells_the_page(shop: Shop, service: Service) -> None:
    page = shop.page()
    page.evaluate("""() => {
        window.told = [];
        const note = ({ type, detail }) => told.push([type, detail.type ?? detail.status]);
        for (const name of ["event", "end", "error"]) document.addEventListener(`tidings-${name}`, note);
    }""")
    job_id = service.submit("ticks", count=2)
    _add(page, job=job_id, token=service.key)
    eventually(lambda: page.evaluate("told.at(-1)") == ["tidings-end", "completed"])
    assert page.evaluate("told[0]") == ["tidings-event", "snapshot"]
    _add(page, job="a" * 26, token=service.key)
    eventually(lambda: page.evaluate("told.at(-1)") == ["tidings-error", 404])
    expect(page.locator("tidings-progress").last).to_contain_text("not known any more")


def test_it_is_cancelled_by_keyboard(shop: Shop, service: Service) -> None:
    job_id = service.submit("ticks", count=1000)
    page = shop.page(f'<tidings-progress cancel job="{job_id}" token="{service.key}"></tidings-progress>')
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("tidings-progress")).to_have_attribute("data-state", "cancelled")


def test_whatever_a_job_says_is_only_text(shop: Shop, service: Service) -> None:
    job_id = service.submit("hostile")
    page = shop.page(f'<tidings-progress job="{job_id}" token="{service.key}"></tidings-progress>')
    expect(page.locator("tidings-progress")).to_have_attribute("data-state", "failed")
    expect(page.locator("tidings-progress")).to_contain_text(HOSTILE)
    expect(page.locator("img")).to_have_count(0)
    expect(page).to_have_title("Shop")


def test_its_size_is_the_same_before_and_after_and_it_takes_the_colours_of_the_page(
    shop: Shop, service: Service
) -> None:
    page = shop.page("<tidings-progress></tidings-progress>")
    element = page.locator("tidings-progress")
    expect(element).to_have_attribute("data-state", "loading")
    before = element.bounding_box()
    colour = (
        "getComputedStyle(document.querySelector('tidings-progress').shadowRoot.querySelector('.bar')).backgroundColor"
    )
    light = page.evaluate(colour)
    page.evaluate("document.documentElement.style.colorScheme = 'dark'")
    assert page.evaluate(colour) != light
    job_id = service.submit("ticks", count=1)
    _set(page, job=job_id, token=service.key)
    expect(element).to_have_attribute("data-state", "completed")
    assert element.bounding_box() == before


@pytest.mark.parametrize("reduced", [True, False])
def test_nothing_moves_for_who_wants_it_so(shop: Shop, service: Service, reduced: bool) -> None:
    page = shop.page("<tidings-progress></tidings-progress>")
    page.emulate_media(reduced_motion="reduce" if reduced else "no-preference")
    job_id = service.submit("silent")
    _set(page, job=job_id, token=service.key)
    expect(page.locator("tidings-progress")).to_have_attribute("data-state", "processing")
    moving = "document.querySelector('tidings-progress').shadowRoot.querySelector('.bar').getAnimations().length"
    assert bool(page.evaluate(moving)) is not reduced
    expect(page.get_by_role("progressbar")).not_to_have_attribute("aria-valuenow", "0")
    service.cancel(job_id)


def test_a_fresh_token_revives_an_element_that_was_refused(shop: Shop, service: Service) -> None:
    job_id = service.submit("ticks", count=2)
    page = shop.page(f'<tidings-progress job="{job_id}" token="tdt_forged"></tidings-progress>')
    element = page.locator("tidings-progress")
    expect(element).to_have_attribute("data-state", "refused")
    expect(element).to_contain_text("may not be seen")
    element.evaluate("(element, token) => element.setAttribute('token', token)", service.key)
    expect(element).to_have_attribute("data-state", "completed")


def test_a_function_set_before_the_element_was_known_gets_its_tokens(shop: Shop, service: Service) -> None:
    job_id = service.submit("ticks", count=2)
    page = shop.page(f'<tidings-progress job="{job_id}"></tidings-progress>', script="")
    page.expose_function("freshToken", lambda: service.token(jobs=[job_id]))
    page.locator("tidings-progress").evaluate("bar => { bar.token = window.freshToken; }")
    page.evaluate("url => import(url)", f"{service.url}/static/elements/progress.js")
    expect(page.locator("tidings-progress")).to_have_attribute("data-state", "completed")


def test_the_feed_shows_the_newest_first_live_and_no_more_than_it_may(shop: Shop, service: Service) -> None:
    key = service.new_key("feeder")
    page = shop.page(f'<tidings-feed limit="3" token="{key}"></tidings-feed>')
    feed = page.locator("tidings-feed")
    expect(feed).to_contain_text("No jobs yet.")
    job_ids = [service.submit("ticks", key, count=3) for _ in range(4)]
    rows = feed.get_by_role("listitem")
    expect(rows).to_have_count(3)
    for row, job_id in zip(rows.all(), reversed(job_ids), strict=False):
        expect(row).to_contain_text(job_id[:6])
        expect(row.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "100")


def test_the_feed_asks_again_where_the_list_was_not_to_be_had(shop: Shop, service: Service) -> None:
    key = service.new_key("later")
    job_id = service.submit("ticks", key, count=1)
    shop.context.route("**/api/jobs?limit=7", lambda route: route.abort(), times=1)
    page = shop.page(f'<tidings-feed limit="7" token="{key}"></tidings-feed>')
    expect(page.locator("tidings-feed")).to_contain_text(job_id[:6], timeout=END_MS)


def _add(page: Page, **attributes: str) -> None:
    page.evaluate("document.body.append(document.createElement('tidings-progress'))")
    _set(page, **attributes)


def _set(page: Page, **attributes: str) -> None:
    page.locator("tidings-progress").last.evaluate(
        "(element, given) => { for (const name in given) element.setAttribute(name, given[name]); }", attributes
    )
