"""All tabs of a browser share one connection, and none of them misses anything when the one that has it is closed."""

from playwright.sync_api import Page, Request

from tests.conftest import eventually
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
    job_id = service.submit("ticks", key, count=1000)
    tabs = [Follower(shop.page(), service, job_id, key) for _ in range(TABS)]
    for tab in tabs:
        tab.hears(2)
    tabs[0].cancel()
    for tab in tabs:
        tab.has_all(key)
    assert len(opened) == 1


def test_tabs_with_jobs_of_their_own_share_a_websocket(shop: Shop, service: Service) -> None:
    opened = _connections(shop)
    key = service.new_key("shared", "--most-streams", "1")
    jobs = [service.submit("ticks", key, count=1000) for _ in range(TABS)]
    tabs = [Follower(shop.page(), service, job_id, key) for job_id in jobs]
    for tab in tabs:
        tab.hears(2)
    for tab in tabs:
        tab.cancel()
        tab.has_all(key)
    assert [url.partition(":")[0] for url in opened] == ["http", "ws"]


def test_when_the_tab_that_leads_is_closed_another_goes_on_without_a_gap(shop: Shop, service: Service) -> None:
    job_id = service.submit("ticks", count=1000)
    leader, *others = (Follower(shop.page(), service, job_id, service.key) for _ in range(3))
    for tab in (leader, *others):
        tab.hears(2)
    leader.page.close()
    heard = len(others[0].lines)
    others[0].hears(heard + 3)
    assert others[0].states[-2:] == ["reconnecting", "live"]
    others[0].cancel()
    for tab in others:
        tab.has_all()


def test_a_tab_that_comes_late_is_told_how_the_job_stands_at_once(shop: Shop, service: Service) -> None:
    job_id = service.submit("ticks", count=1000)
    early = Follower(shop.page(), service, job_id, service.key)
    early.hears(2)
    opened = _connections(shop)
    late = Follower(shop.page(), service, job_id, service.key)
    late.hears(2)
    assert (opened, late.states) == ([], ["live"])
    late.cancel()
    for tab in (early, late):
        tab.has_all()
        assert tab.events[-1][1] == "cancelled"


def test_who_knows_nothing_is_told_how_the_job_stands_where_the_others_only_know_its_log(
    shop: Shop, service: Service
) -> None:
    job_id = service.submit("ticks", count=1000)
    early = Follower(shop.page(), service, job_id, service.key, after=0)
    early.hears(3)
    late = Follower(shop.page(), service, job_id, service.key)
    late.hears(3)
    late.cancel()
    late.has_all()
    early.ends()
    assert early.lines == service.lines(job_id)


LATE_WORD = """() => {
    const post = BroadcastChannel.prototype.postMessage;
    BroadcastChannel.prototype.postMessage = function (message) { setTimeout(() => post.call(this, message), 500); };
}"""


def test_what_is_live_is_not_taken_before_the_log_that_was_asked_for(shop: Shop, service: Service) -> None:
    job_id = service.submit("ticks", count=1000)
    early = Follower(shop.page(), service, job_id, service.key)
    early.hears(3)
    page = shop.page()
    page.evaluate(LATE_WORD)
    late = Follower(page, service, job_id, service.key, after=0)
    late.hears(5)
    late.cancel()
    late.ends()
    assert late.lines == service.lines(job_id)
    early.has_all()


HELD_BACK = """() => {
    const post = BroadcastChannel.prototype.postMessage;
    const held = window.held = [];
    BroadcastChannel.prototype.postMessage = function (message) { held.push(() => post.call(this, message)); };
    window.release = () => { while (held.length) held.shift()(); };
}"""

FEED = """async ([module, token]) => {
    const { Tidings } = await import(module);
    const told = window.told = [];
    (async () => {
        for await (const { type, seq } of new Tidings({ token }).feed()) told.push([type, seq]);
    })();
}"""


def test_the_feed_tells_how_a_job_stands_though_its_latest_event_came_first(shop: Shop, service: Service) -> None:
    key = service.new_key("stands")
    job_id = service.ask("POST", "/api/jobs", key, json={"kind": "ticks", "delay_seconds": 3600})["job_id"]
    early, late = shop.page(), shop.page()
    early.evaluate(FEED, [f"{service.url}/static/tidings.js", key])
    eventually(lambda: early.evaluate("told") == [["snapshot", 1]])
    late.evaluate(HELD_BACK)
    late.evaluate(FEED, [f"{service.url}/static/tidings.js", key])
    eventually(lambda: late.evaluate("held.length"))
    service.ask("POST", f"/api/jobs/{job_id}/suspend", key)
    eventually(lambda: late.evaluate("told") == [["suspended", 2]])
    late.evaluate("release()")
    eventually(lambda: late.evaluate("told") == [["suspended", 2], ["snapshot", 2]])
    assert early.evaluate("told") == [["snapshot", 1], ["suspended", 2]]
    service.ask("POST", f"/api/jobs/{job_id}/cancel", key)


HELD = """async () => {
    const { held, pending } = await navigator.locks.query();
    return [...held, ...pending].map(({ name }) => name).filter((name) => !name.includes("stream")).length;
}"""

MUTE = """() => {
    const post = BroadcastChannel.prototype.postMessage;
    BroadcastChannel.prototype.postMessage = function (message) { if (message.tab) post.call(this, message); };
}"""


def test_a_tab_that_leads_but_stands_still_is_relieved(shop: Shop, service: Service) -> None:
    job_id = service.submit("ticks", count=1000)
    still = Follower(shop.page(), service, job_id, service.key)
    still.hears(2)
    page = shop.page()
    page.clock.install()
    other = Follower(page, service, job_id, service.key)
    other.hears(2)
    still.page.evaluate(MUTE)
    page.clock.run_for("02:01")
    eventually(lambda: other.states[-2:] == ["reconnecting", "live"])
    for tab in (other, still):
        tab.hears(len(tab.lines) + 2)
    assert page.evaluate(HELD) == 2
    other.cancel()
    for tab in (other, still):
        tab.has_all()


def test_nothing_is_held_for_nobody(shop: Shop, service: Service) -> None:
    page = shop.page()
    page.clock.install()
    Follower(page, service, service.submit("ticks", count=1), service.key).ends()
    assert page.evaluate(HELD) == 1
    page.clock.run_for("00:31")
    eventually(lambda: page.evaluate(HELD) == 0)
    job_id = service.submit("ticks", count=1000)
    again = Follower(page, service, job_id, service.key)
    again.hears(2)
    assert page.evaluate(HELD) == 1
    page.evaluate("tidings.close()")
    again.ends()
    assert again.error == "closed"
    eventually(lambda: page.evaluate(HELD) == 0)
    service.cancel(job_id)
