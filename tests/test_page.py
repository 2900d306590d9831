"""The page in a real browser, before a real web process and a real worker."""

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from playwright.sync_api import Browser, Locator, Page, Route, WebSocketRoute, expect
from playwright.sync_api import Error as PlaywrightError
from pydantic_core import from_json, to_json

from app.web.page import packed
from tests.chromium import END_MS, choose, chromium, look_into, opened, start
from tests.conftest import eventually
from tests.page_handlers import HOSTILE
from tests.page_service import ROOT, page_service


@pytest.fixture(scope="module")
def service(valkey: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address."""
    with page_service(valkey, tmp_path_factory.mktemp("data")) as service:
        yield service.url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, service: str) -> Iterator[Page]:
    with opened(browser, service) as page:
        yield page


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table to learn from."""
    path = tmp_path_factory.mktemp("homes") / "homes.csv"
    rows = (f"{n},{('Ulm', 'Kiel', 'Bonn')[n % 3]},{n * 3 + n % 7}" for n in range(300))
    path.write_text("area,town,price\n" + "\n".join(rows) + "\n")
    return path


def test_the_form_is_made_of_the_schema_of_the_kind(page: Page) -> None:
    choose(page, "every_control")
    expect(page.locator("input[name=word]")).to_have_attribute("required", "")
    expect(page.locator("select[name=size]")).to_have_value("large")
    expect(page.locator("input[name=count]")).to_have_attribute("step", "1")
    expect(page.locator("input[name=loud]")).to_be_checked()
    page.fill("[name=word]", "hello")
    page.select_option("[name=size]", "small")
    page.fill("[name=options]", '{"a": 1}')
    card = start(page)
    expect(card.locator(".message")).to_have_text("word hello · size small · loud true")


def test_params_that_are_refused_are_told_at_their_field(page: Page) -> None:
    choose(page, "every_control")
    page.fill("[name=word]", "hello")
    page.fill("[name=options]", '{"a": "not a number"}')
    page.click("button[type=submit]")
    options = page.locator(".field", has=page.locator("[name=options]"))
    expect(options.locator(".complaint")).to_contain_text("not valid")
    expect(page.locator("button[type=submit]")).to_be_enabled()


def test_what_is_being_filled_in_stays_while_its_kind_is_paused(page: Page) -> None:
    fill = """async () => {
        const { JobForm } = await import("/static/page/parts/form.js");
        const form = document.querySelector("form").cloneNode(true);
        form.querySelector("select").replaceChildren();
        const made = new JobForm(form, {});
        const offer = (type, about, paused) => {
            const schema = { properties: { word: { type } } };
            made.showKinds([{ kind: "say", description: about, params_schema: schema, paused }]);
            return [form.elements.word.value, form.querySelector(".about").textContent];
        };
        offer("string", "One.", false);
        form.elements.word.value = "half a sen";
        return [offer("string", "Two.", true), offer("integer", "Two.", true)];
    }"""
    assert page.evaluate(fill) == [["half a sen", "Two."], ["", "Two."]]


def test_a_countdown_rises_to_its_end_and_survives_a_reload(page: Page) -> None:
    card = _start_countdown(page, seconds=12)
    expect(page.locator("#line")).to_have_text("live")
    eventually(lambda: 0 < _value(card) < 100)
    page.reload()
    risen = _value(card)
    assert risen < 100
    expect(card.locator(".status")).to_have_text("completed", timeout=END_MS)
    assert _value(card) == 100


def test_a_job_is_asked_for_where_everything_else_is_blocked(page: Page) -> None:
    page.route_web_socket("**/api/ws", lambda socket: socket.close())
    page.route("**/events*", _block)
    page.reload()
    expect(page.locator("#line")).to_have_text("asking", timeout=END_MS)
    job = _start_countdown(page, seconds=60)
    eventually(lambda: 0 < _value(job) < 100)
    look_into(job)
    job.get_by_role("button", name="Cancel").click()
    expect(job.locator(".events")).to_contain_text("cancelled", timeout=END_MS)
    job.get_by_role("button", name="Retry").click()
    expect(job.locator(".spans li")).to_have_count(4, timeout=END_MS)
    job.get_by_role("button", name="Cancel").click()


def _refuse(socket: WebSocketRoute) -> None:
    refusal = {"op": "error", "code": "too_many_subscriptions", "detail": "At most 0."}
    socket.on_message(lambda text: socket.send(json.dumps(refusal | {"ref": json.loads(text).get("ref")})))


@pytest.mark.parametrize("block", [WebSocketRoute.close, _refuse], ids=["closed", "refused"])
def test_events_stream_where_only_the_websocket_is_blocked(page: Page, block: Callable[[WebSocketRoute], None]) -> None:
    page.route_web_socket("**/api/ws", block)
    with page.expect_response(lambda response: response.url.endswith("/api/events")):
        page.reload()
    expect(page.locator("#line")).to_have_text("live", timeout=END_MS)
    job = look_into(_start_countdown(page, seconds=2))
    expect(job.locator(".status")).to_have_text("completed", timeout=END_MS)
    expect(job.locator(".events")).to_contain_text("completed", timeout=END_MS)


def test_a_job_is_cancelled_from_the_page(page: Page) -> None:
    card = _start_countdown(page, seconds=60)
    expect(card.locator(".status")).to_have_text("processing")
    card.hover()
    card.get_by_role("button", name="Cancel").click()
    expect(card.locator(".status")).to_have_text("cancelled")
    expect(card.get_by_role("button", name="Cancel")).to_be_hidden()


def test_a_training_draws_its_curves_also_for_who_comes_later(page: Page, homes: Path) -> None:
    choose(page, "train")
    page.set_input_files("[name=data]", homes)
    page.fill("[name=target]", "price")
    page.fill("[name=rounds]", "2000")
    page.fill("[name=parameters]", '{"learning_rate": 0.01}')
    card = look_into(start(page))
    curves = card.locator(".curves figure")
    expect(curves).to_have_count(1, timeout=END_MS)
    expect(curves.locator("path")).to_have_count(2)
    expect(curves.locator("figcaption")).to_contain_text(re.compile(r"train\.l2 \d+.*valid\.l2 \d+"))
    page.reload()
    expect(curves.locator("path").last).to_have_attribute("d", re.compile(r"^M0 \d.*(L.*){9}"), timeout=END_MS)
    card.get_by_role("button", name="Cancel").click()
    expect(card.locator(".status")).to_have_text("cancelled", timeout=END_MS)


def test_whatever_a_handler_says_is_only_text(page: Page) -> None:
    choose(page, "hostile")
    card = start(page)
    expect(card.locator(".message")).to_contain_text(HOSTILE)
    look_into(card)
    expect(card.locator(".error")).to_contain_text(HOSTILE)
    expect(card.locator(".lines")).to_contain_text(HOSTILE)
    expect(page.locator("main img")).to_have_count(0)
    expect(page).to_have_title(re.compile("Tidings$"))


def test_params_called_like_parts_of_a_form_and_hostile_files_and_results_are_only_text(page: Page) -> None:
    choose(page, "hostile_names")
    for name in ("dataset", "querySelector", "submit"):
        page.fill(f"[name={name}]", HOSTILE)
    card = start(page)
    expect(card.locator(".status")).to_have_text("completed", timeout=END_MS)
    expect(card.locator(".message")).to_contain_text(HOSTILE)
    look_into(card)
    expect(card.locator(".files")).to_contain_text(f"{HOSTILE}.html")
    expect(card.locator(".events")).to_contain_text(HOSTILE)
    expect(page.locator("main img:not(.files img)")).to_have_count(0)
    page.go_back()
    choose(page, "every_control")
    expect(page.locator("input[name=word]")).to_be_visible()
    expect(page.locator("main img")).to_have_count(0)
    expect(page).to_have_title("Tidings")


def test_a_file_is_never_run_as_a_page_whatever_is_in_it(page: Page) -> None:
    choose(page, "hostile_names")
    for name in ("dataset", "querySelector", "submit"):
        page.fill(f"[name={name}]", "x")
    card = look_into(start(page))
    expect(card.locator(".files a")).to_have_count(3, timeout=END_MS)
    urls = [(link.get_attribute("href") or "").partition("?")[0] for link in card.locator(".files a").all()]
    for url in urls[:2]:  # HTML and SVG
        with page.expect_download(), contextlib.suppress(PlaywrightError):
            page.goto(url)
    page.goto(urls[2])
    assert page.title() != "taken over"


def test_whatever_a_kind_and_its_params_are_called_is_only_text(page: Page, valkey: str) -> None:
    of_text = {"type": "string", "title": HOSTILE, "description": HOSTILE, "default": HOSTILE}
    schema = {"type": "object", "properties": {HOSTILE: of_text, "c": {"enum": [HOSTILE]}, "__proto__": of_text}}
    with redis.Redis.from_url(valkey) as client:
        known = from_json(client.hget("tidings:kinds", "countdown"))
        told = known | {"kind": HOSTILE, "description": HOSTILE, "params_schema": schema}
        client.hset("tidings:kinds", HOSTILE, to_json(told))
        try:
            eventually(lambda: _shows(page, HOSTILE))
        finally:
            client.hdel("tidings:kinds", HOSTILE)
    choose(page, HOSTILE)
    expect(page.locator(".about")).to_have_text(HOSTILE)
    expect(page.locator(".params")).to_contain_text(HOSTILE)
    expect(page.locator("main img")).to_have_count(0)
    expect(page).to_have_title("Tidings")


def _shows(page: Page, kind: str) -> bool:
    """Kinds are kept for a moment by the service."""
    page.reload()
    expect(page.locator("form")).to_have_attribute("data-state", "ready")
    return kind in page.locator("[name=kind] option").all_inner_texts()


def test_the_whole_page_weighs_at_most_a_hundred_kilobytes() -> None:
    """All it may load, as it is sent: not the docs' style sheet, the elements of other pages, the types for editors."""
    static = ROOT / "static"
    others = {static / "docs.css", static / "client" / "types.d.ts", *(static / "elements").iterdir()}
    files = [file for file in static.rglob("*.*") if file not in others]
    assert sum(len(packed(str(file), 0)) for file in files) <= 100_000


def _start_countdown(page: Page, seconds: int) -> Locator:
    choose(page, "countdown")
    page.fill("[name=seconds]", str(seconds))
    return start(page)


def _value(card: Locator) -> float:
    value = card.locator("progress").get_attribute("value")
    return float(value or 0)


def _block(route: Route) -> None:
    if "text/event-stream" in route.request.headers["accept"]:
        route.abort()
    else:
        route.continue_()


@pytest.mark.parametrize("width", [390, 1280])
def test_the_docs_fit_the_screen_and_unfold_what_a_link_leads_to(browser: Browser, service: str, width: int) -> None:
    context = browser.new_context(base_url=service, viewport={"width": width, "height": 844})
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    for path, text in [
        ("/docs#submit_job", "Idempotency-Key"),
        ("/docs#JobObject", "What is not yet"),
        ("/docs/errors#invalid_params", "Mend what"),
    ]:
        page.goto(path)
        expect(page.locator(f"[id={path.rpartition('#')[2]}]").get_by_text(text).first).to_be_in_viewport(
            timeout=END_MS
        )
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert complaints == []
    context.close()
