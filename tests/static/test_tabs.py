"""All tabs of a browser share one connection, and none of them misses anything when the one that has it is closed."""

from playwright.sync_api import Page, Request

from tests.static.follower import Follower
from tests.static.service import Service
from tests.static.shop import Shop

TABS = 7


def _connections(shop: Shop) -> list[str]:
    """Whatever of the context's pages opens from now on: event streams and WebSockets."""
    opened: list[str] = []

    def note(request: Request) -> None:
        if request.headers.get("accept") == "text/event-stream":
            opened.append(request.url)

    def watch(page: Page) -> None:
        page.on("websocket", lambda socket: opened.append(socket.url))

    shop.context.on("request", note)
    shop.context.on("page", watch)
    return opened


def test_seven_tabs_have_one_connection(shop: Shop, service: Service) -> None:
    opened = _connections(shop)
    key = service.new_key("seven", "--most-streams", "1")
    job_id = service.submit("ticks", key, count=20, every=0.2)
    tabs = [Follower(shop.page(), service, job_id, key) for _ in range(TABS)]
    for tab in tabs:
        tab.ends()
    assert len(opened) == 1
    told = service.lines(job_id, key)
    for tab in tabs:
        (first, kind), *_ = tab.events
        assert kind == "snapshot"
        assert tab.lines == [seq for seq in told if seq > first]


def test_tabs_with_jobs_of_their_own_share_a_websocket(shop: Shop, service: Service) -> None:
    opened = _connections(shop)
    key = service.new_key("shared")
    job_ids = [service.submit("ticks", key, count=15, every=0.2) for _ in range(TABS)]
    tabs = [Follower(shop.page(), service, job_id, key) for job_id in job_ids]
    for tab, job_id in zip(tabs, job_ids, strict=True):
        tab.ends()
        first = tab.events[0][0]
        assert tab.lines == [seq for seq in service.lines(job_id, key) if seq > first]
    assert len([url for url in opened if url.startswith("ws:")]) == 1
    assert len(opened) <= 2


def test_when_the_tab_that_leads_is_closed_another_goes_on_without_a_gap(shop: Shop, service: Service) -> None:
    job_id = service.submit("ticks", count=30, every=0.1)
    leader, second, third = (Follower(shop.page(), service, job_id, service.key) for _ in range(3))
    for tab in (leader, second, third):
        tab.hears(3)
    leader.page.close()
    for tab in (second, third):
        tab.ends()
        first = tab.events[0][0]
        assert tab.lines == [seq for seq in service.lines(job_id) if seq > first]


def test_a_tab_that_comes_late_is_told_how_the_job_stands_at_once(shop: Shop, service: Service) -> None:
    job_id = service.submit("ticks", count=600, every=0.1)
    early = Follower(shop.page(), service, job_id, service.key)
    early.hears(2)
    opened = _connections(shop)
    late = Follower(shop.page(), service, job_id, service.key)
    late.hears(2)
    assert late.events[0][1] == "snapshot"
    assert opened == []
    late.page.evaluate("job => tidings.cancel(job)", job_id)
    for tab in (early, late):
        tab.ends()
        assert tab.events[-1][1] == "cancelled"
