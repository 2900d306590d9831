"""The dashboard in a real browser, with thousands of jobs: found, looked into, acted on, kept up while servers go."""

import re
from collections.abc import Iterator
from typing import Final, Literal

import pytest
from playwright.sync_api import Browser, Locator, Page, ViewportSize, expect

from tests.chromium import END_MS, chromium, look_into, opened
from tests.conftest import eventually
from tests.page_handlers import HOSTILE
from tests.page_service import ROOT, PageService, page_service

MANY: Final = 2_000
SIZES: Final[dict[str, ViewportSize]] = {
    "phone": {"width": 390, "height": 844},
    "desk": {"width": 1360, "height": 900},
}
SCREENS: Final = ROOT / "build" / "screens"


@pytest.fixture(scope="module")
def service(valkey: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageService]:
    with page_service(valkey, tmp_path_factory.mktemp("data")) as service:
        yield service


@pytest.fixture(scope="module")
def batch(service: PageService) -> str:
    """Two thousand jobs that wait for tomorrow, one in ten of them nightly; and an older one than all of them."""
    service.submit("countdown", {}, delay_seconds=86_400, metadata={"order": "Needle-7"})
    jobs = [
        {
            "kind": "countdown",
            "delay_seconds": 86_400,
            "tags": ["nightly"] if n % 10 == 0 else [],
            "metadata": {"customer": "acme" if n % 20 == 0 else "globex"},
        }
        for n in range(MANY)
    ]
    return service.submit_many(jobs)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, service: PageService, batch: str) -> Iterator[Page]:
    with opened(browser, service.url) as page:
        yield page


@pytest.fixture(scope="module")
def gallery(service: PageService) -> str:
    """A job that has left whatever can be seen."""
    job_id = service.submit(
        "gallery", {"caption": HOSTILE}, tags=[HOSTILE], metadata={HOSTILE: HOSTILE}, callback_url="http://127.0.0.1:9/"
    )
    eventually(lambda: service.has_ended(job_id))
    return job_id


@pytest.fixture(scope="module")
def shown(service: PageService) -> str:
    """One that is to be looked at."""
    job_id = service.submit("gallery", {"caption": "spring"}, tags=["research"], metadata={"customer": "acme"})
    eventually(lambda: service.has_ended(job_id))
    return job_id


def test_thousands_of_jobs_are_rows_of_which_only_those_in_sight_are_elements(page: Page) -> None:
    expect(page.locator(".job").first).to_be_visible()
    eventually(lambda: re.fullmatch(r"2,\d{3} jobs", _scrolled_down(page)))
    eventually(lambda: _scrolled_down(page) and page.locator(".end").evaluate(IN_SIGHT))  # it grows meanwhile
    assert page.locator(".job").count() < 100
    expect(page.locator(".job").last).to_be_in_viewport()


def test_a_job_that_somebody_else_submits_comes_by_itself(page: Page, service: PageService) -> None:
    expect(page.locator("#line")).to_have_text("live")
    job_id = service.submit("fails", {"words": "not here"})
    expect(_row(page, job_id)).to_contain_text("not here", timeout=END_MS)
    expect(page.locator(".job").first.locator(".title")).to_have_attribute("title", job_id)


def test_the_list_is_filtered_and_the_url_says_how(page: Page, service: PageService) -> None:
    failed = service.submit("fails", {"words": "the moon is full"}, tags=["nightly"])
    page.get_by_label("Status").get_by_text("failed").click()
    expect(_row(page, failed)).to_contain_text("the moon is full", timeout=END_MS)
    assert page.url.endswith("#/?status=failed")
    page.goto("/#/?tag=nightly")
    eventually(lambda: _scrolled_down(page) == "201 jobs")
    page.get_by_label("Search jobs").fill("customer:acme")
    eventually(lambda: _scrolled_down(page) == "100 jobs")
    page.get_by_label("Kind", exact=True).and_(page.locator("main select")).select_option("fails")
    expect(page.get_by_text("No job fits.")).to_be_visible(timeout=END_MS)
    page.reload()
    expect(page.get_by_label("Search jobs")).to_have_value("customer:acme")
    expect(page.get_by_text("No job fits.")).to_be_visible(timeout=END_MS)
    page.get_by_label("Search jobs").fill(failed)
    page.get_by_label("Search jobs").press("Enter")
    expect(page.locator(".error")).to_contain_text("the moon is full")


def test_the_server_looks_for_what_the_page_does_not_know(page: Page) -> None:
    expect(page.locator(".job").first).to_be_visible()
    with page.expect_request(lambda request: "q=needle" in request.url):
        page.get_by_label("Search jobs").press_sequentially("order needle", delay=10)
    expect(page.get_by_text("1 job", exact=True)).to_be_visible(timeout=END_MS)


def test_everything_is_reached_by_keys(page: Page) -> None:
    expect(page.locator(".job").first).to_be_visible()
    page.keyboard.press("/")
    expect(page.get_by_label("Search jobs")).to_be_focused()
    page.keyboard.press("Escape")
    for _ in range(3):
        page.keyboard.press("j")
    expect(page.locator(".title").nth(2)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text("countdown")
    expect(page.locator("#view")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(".rows")).to_be_visible()
    page.keyboard.press("q")
    expect(page.locator("h1")).to_have_text("Queues and workers")
    page.keyboard.press("n")
    expect(page.locator("[name=kind]")).to_be_focused()


def test_a_job_tells_all_there_is_of_it(page: Page, gallery: str) -> None:
    page.goto(f"/#/jobs/{gallery}")
    job = page.locator(".job.page")
    expect(job.locator(".status")).to_have_text("completed")
    expect(job.locator(".spans li")).to_have_count(2)
    expect(job.locator(".events")).to_contain_text("report.html")
    expect(job.locator("figure path")).to_have_count(2)
    expect(job.locator(".lines li")).to_have_count(30)
    expect(job.get_by_text("Params").locator("..")).to_contain_text("caption")
    expect(job.get_by_text("Webhooks").locator("..")).to_contain_text("127.0.0.1:9")
    job.get_by_label("Search the log").fill("warning")
    expect(job.locator(".lines li")).to_have_text([re.compile("step 7 of")])
    expect(page.locator("main img")).to_have_count(1)  # the picture, and nothing that anything was called
    assert page.locator("main img").evaluate("picture => picture.decode().then(() => picture.naturalWidth)") == 1
    assert "taken over" not in page.title()


def test_a_page_that_a_job_left_is_shown_without_being_run(page: Page, gallery: str) -> None:
    page.goto(f"/#/jobs/{gallery}")
    heading = page.frame_locator("iframe").locator("h1")
    expect(heading).to_have_text("Sales")
    expect(heading).to_have_css("color", "rgb(255, 0, 0)")
    assert "taken over" not in page.title()
    address = page.locator("iframe").get_attribute("src") or ""
    with page.expect_download():
        page.evaluate("address => { location.href = address }", address)


def test_a_job_is_run_again_with_changes(page: Page, gallery: str) -> None:
    page.goto(f"/#/jobs/{gallery}")
    page.get_by_role("button", name="Again with changes").click()
    expect(page.locator("[name=kind]")).to_have_value("gallery")
    expect(page.locator("[name=caption]")).to_have_value(HOSTILE)
    page.fill("[name=caption]", "changed")
    page.click("button[type=submit]")
    expect(page.locator(".job.page .message")).to_contain_text("caption changed", timeout=END_MS)


def test_all_that_failed_are_retried_and_one_is_forgotten(page: Page, service: PageService) -> None:
    ids = [service.submit("fails", {"words": f"round {n}"}, tags=["again"]) for n in range(3)]
    page.goto("/#/?status=failed&tag=again")
    expect(page.locator(".job")).to_have_count(3, timeout=END_MS)
    page.get_by_role("button", name="Retry all").click()
    page.get_by_role("button", name="Retry all of these?").click()
    expect(page.locator("#said")).to_have_text("Retried 3 of 3.", timeout=END_MS)
    job = look_into(_row(page, ids[0]))
    expect(job.locator(".spans li")).to_have_count(4, timeout=END_MS)
    job.get_by_role("button", name="Forget").click()
    job.get_by_role("button", name="Forget it").click()
    expect(page.locator(".rows")).to_be_visible()
    page.goto(f"/#/jobs/{ids[0]}")
    expect(page.get_by_text("There is no such job here")).to_be_visible()


def test_a_batch_tells_its_counts_and_is_cancelled_as_a_whole(page: Page, service: PageService) -> None:
    waiting = {"kind": "countdown", "delay_seconds": 600}
    batch_id = service.submit_many([{"kind": "fails"}, {"kind": "gallery"}, waiting, waiting])
    page.goto(f"/#/batches/{batch_id}")
    told = page.locator(".page > .told")
    expect(told).to_contain_text("1 completed", timeout=END_MS)
    expect(told).to_contain_text("1 failed")
    expect(page.locator(".rows .job")).to_have_count(4, timeout=END_MS)
    page.get_by_role("button", name="Cancel all").click()
    page.get_by_role("button", name="Cancel all that").click()
    expect(told).to_contain_text("2 cancelled", timeout=END_MS)
    expect(page.locator(".rows [data-state=cancelled]")).to_have_count(2)
    page.get_by_role("button", name="Retry failed").click()
    page.get_by_role("button", name="Retry all that failed").click()
    expect(page.locator("#said")).to_have_text("They run again.")


def test_a_queue_and_a_kind_are_paused_and_resumed(page: Page) -> None:
    page.goto("/#/queues")
    for name in ("default", "fails"):
        row = page.locator("tr", has=page.get_by_role("rowheader", name=name, exact=True))
        row.get_by_role("button", name="Pause").click()
        row.get_by_role("button", name="Start none of it?").click()
        expect(row).to_contain_text("paused")
        row.get_by_role("button", name="Resume").click()
        expect(row.get_by_role("button", name="Pause")).to_be_visible()


def test_who_is_about_to_press_something_is_not_disturbed_by_news(page: Page, service: PageService) -> None:
    job_id = service.submit("countdown", {"seconds": 60})
    page.goto(f"/#/jobs/{job_id}")
    job = page.locator(".job.page")
    expect(job.locator(".status")).to_have_text("processing", timeout=END_MS)
    job.get_by_role("link", name="countdown").focus()
    facts = job.locator("dl").inner_text()
    eventually(lambda: job.locator("dl").inner_text() != facts)
    expect(job.get_by_role("link", name="countdown")).to_be_focused()
    page.goto("/#/queues")
    row = page.locator("tr", has=page.get_by_role("rowheader", name="default", exact=True))
    row.get_by_role("button", name="Pause").focus()
    queues = page.request.get("/api/queues").json()["queues"]
    more = {"queues": [queues[0] | {"queue": "another"}, *queues]}
    page.route("**/api/queues", lambda route: route.fulfill(json=more))
    expect(page.get_by_role("rowheader", name="another")).to_be_visible()
    expect(row.get_by_role("button", name="Pause")).to_be_focused()
    run = page.locator(f"a[href='#/jobs/{job_id}']")
    run.hover()
    page.mouse.down()
    told = run.inner_text()
    eventually(lambda: run.inner_text() != told)
    page.mouse.up()
    expect(page.locator("h1")).to_contain_text("countdown")
    job.get_by_role("button", name="Cancel").click()
    expect(job.locator(".status")).to_have_text("cancelled")


def test_it_goes_on_when_the_server_comes_back(page: Page, service: PageService) -> None:
    job_id = service.submit("countdown", {"seconds": 20})
    row = _row(page, job_id)
    expect(row.locator(".status")).to_have_text("processing", timeout=END_MS)
    assert service.stop("web") == 0
    expect(page.locator("#outage")).to_be_visible(timeout=END_MS)
    expect(row).to_be_visible()
    service.start("web")
    expect(page.locator("#line")).to_have_text("live", timeout=END_MS)
    expect(page.locator("#outage")).to_be_hidden()
    expect(row.locator(".status")).to_have_text("completed", timeout=END_MS)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_and_a_desk(
    browser: Browser, service: PageService, batch: str, gallery: str, shown: str, scheme: Literal["light", "dark"]
) -> None:
    """And is kept to be looked at, in `build/screens/`."""
    SCREENS.mkdir(parents=True, exist_ok=True)
    for device, size in SIZES.items():
        context = browser.new_context(base_url=service.url, viewport=size, color_scheme=scheme)
        page = context.new_page()
        for room, path, sign in rooms(batch, gallery, shown):
            page.goto(path)
            expect(page.locator(sign).first).to_be_visible(timeout=END_MS)
            if room == "job":
                page.locator("iframe").scroll_into_view_if_needed()
                expect(page.frame_locator("iframe").locator("h1")).to_be_visible(timeout=END_MS)
            page.screenshot(path=SCREENS / f"{room}-{device}-{scheme}.png", full_page=room == "job")
            assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
        context.close()


def rooms(batch: str, gallery: str, shown: str) -> list[tuple[str, str, str]]:
    """Of each its name, where it is, and by what it is known to be there."""
    return [
        ("list", "/", ".job"),
        ("hostile", f"/#/jobs/{gallery}", "figure path"),
        ("job", f"/#/jobs/{shown}", "figure path"),
        ("batch", f"/#/batches/{batch}", ".rows .job"),
        ("queues", "/#/queues", "tbody tr"),
        ("new", "/#/new", "[name=kind]"),
    ]


def test_what_is_older_than_what_is_known_changes_nothing(page: Page) -> None:
    fold = """async () => {
        const { Jobs } = await import("/static/page/jobs.js");
        const jobs = new Jobs();
        const job = { job_id: "a".repeat(26), status: "pending", seq: 3, created_at: "2026-01-01T00:00:00.000Z" };
        const began = { job_id: job.job_id, type: "processing", at: job.created_at, data: { attempt: 1 } };
        const steps = [];
        jobs.see(job);
        for (const seq of [2, 4]) {
            jobs.hear({ ...began, seq });
            jobs.see(job);
            steps.push(jobs.list.map(({ status, seq }) => [status, seq]));
        }
        return steps;
    }"""
    assert page.evaluate(fold) == [[["pending", 3]], [["processing", 4]]]


def test_what_is_missed_while_the_list_is_asked_for_is_asked_for_as_well(page: Page) -> None:
    miss = """async () => {
        const { Jobs } = await import("/static/page/jobs.js");
        const jobs = new Jobs();
        const read = (window.read = []);
        jobs.catchUp = async () => read.length || jobs.miss("later");
        jobs.read = async (id) => read.push(id);
        jobs.miss("early");
    }"""
    page.evaluate(miss)
    eventually(lambda: page.evaluate("read") == ["early", "later"])


def _row(page: Page, job_id: str) -> Locator:
    return page.locator(".job", has=page.locator(f"[title='{job_id}']"))


IN_SIGHT = "({ offsetTop: top }) => top < scrollY + innerHeight"


def _scrolled_down(page: Page) -> str:
    """What the end of the list says."""
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    return page.locator(".end").inner_text()
