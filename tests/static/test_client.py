"""The client follows a job by whatever way is open, goes on after whatever breaks, and tells each event once."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Route, WebSocketRoute

from tests.conftest import eventually
from tests.static.follower import Follower
from tests.static.service import Service
from tests.static.several import Several
from tests.static.shop import Shop

Block = Callable[[BrowserContext], None]


def _open(_: BrowserContext) -> None:
    """Nothing is blocked."""


def _without_streams(context: BrowserContext) -> None:
    def block(route: Route) -> None:
        if route.request.headers.get("accept") == "text/event-stream":
            route.abort()
        else:
            route.continue_()

    context.route("**/events*", block)


def _without_sockets_too(context: BrowserContext) -> None:
    _without_streams(context)
    context.route_web_socket("**/api/ws", lambda socket: socket.close())


@pytest.mark.parametrize(
    ("block", "state"),
    [(_open, "live"), (_without_streams, "live"), (_without_sockets_too, "polling")],
    ids=["sse", "ws", "polls"],
)
def test_each_way_tells_every_event_once(shop: Shop, service: Service, block: Block, state: str) -> None:
    block(shop.context)
    page = shop.page()
    sockets: list[str] = []
    page.on("websocket", lambda socket: sockets.append(socket.url))
    job_id = service.submit("ticks", count=1000)
    follower = Follower(page, service, job_id, token=service.key)
    follower.hears(5)
    follower.cancel()
    follower.has_all()
    assert follower.events[-1][1] == "cancelled"
    assert state in follower.states
    assert bool(sockets) == (block is _without_streams)


def test_it_goes_on_after_the_server_was_restarted(shop: Shop, service: Service) -> None:
    job_id = service.submit("ticks", count=1000)
    follower = Follower(shop.page(), service, job_id, service.key)
    follower.hears(3)
    service.stop_web()
    eventually(lambda: "offline" in follower.states)
    service.start_web()
    eventually(lambda: follower.states[-1] == "live")
    follower.cancel()
    follower.has_all()


def test_a_line_that_breaks_again_and_again_leaves_no_gap(shop: Shop, service: Service) -> None:
    def break_soon(socket: WebSocketRoute) -> None:
        broken.append(0)
        server = socket.connect_to_server()

        def relay(message: str | bytes) -> None:
            socket.send(message)
            broken[-1] += 1
            if broken[-1] == 5:
                socket.close(code=1012)

        server.on_message(relay)

    broken: list[int] = []
    _without_streams(shop.context)
    shop.context.route_web_socket("**/api/ws", break_soon)
    job_id = service.submit("ticks", count=1000)
    follower = Follower(shop.page(), service, job_id, service.key)
    eventually(lambda: follower.lines and len(broken) >= 3)
    follower.cancel()
    follower.has_all()


@pytest.mark.parametrize("block", [_open, _without_streams], ids=["sse", "ws"])
def test_tokens_are_renewed_without_a_gap(shop: Shop, service: Service, block: Block) -> None:
    block(shop.context)
    page = shop.page()
    given: list[str] = []

    def fresh() -> dict[str, str]:
        token = service.token(jobs=[job_id], ttl_seconds=2)
        given.append(token["token"])
        return token

    page.expose_function("freshToken", fresh)
    job_id = service.submit("ticks", count=60, every=0.1)
    follower = Follower(page, service, job_id)
    follower.has_all()
    assert follower.events[-1][1] == "completed"
    assert len(set(given)) >= 2


def test_a_token_that_does_not_reach_the_job_or_is_none_ends_it_with_a_refusal(shop: Shop, service: Service) -> None:
    mine, other = (service.submit("ticks", count=1) for _ in range(2))
    token = service.token(jobs=[mine])["token"]
    refused = Follower(shop.page(), service, other, token)
    refused.ends()
    assert refused.error == "unknown_job"
    forged = Follower(shop.page(), service, mine, "tdt_forged")
    forged.ends()
    assert forged.error == "unauthenticated"


def test_where_there_are_no_locks_a_tab_has_a_websocket_of_its_own(shop: Shop, service: Service) -> None:
    shop.context.add_init_script("delete Navigator.prototype.locks")
    page = shop.page()
    sockets: list[str] = []
    page.on("websocket", lambda socket: sockets.append(socket.url))
    job_id = service.submit("ticks", count=1000)
    follower = Follower(page, service, job_id, service.key)
    follower.hears(2)
    follower.cancel()
    follower.ends()
    assert (follower.events[-1][1], len(sockets)) == ("cancelled", 1)


RESULT = """async ([module, token]) => {
    const { NotCompleted, Tidings } = await import(module);
    const tidings = new Tidings({ token });
    const job = await tidings.submit("ticks", { count: 3 }, { key: "order-7", tags: ["a"] });
    const again = await tidings.submit("ticks", { count: 3 }, { key: "order-7", tags: ["a"] });
    const result = await tidings.result(job.job_id);
    const { jobs } = await tidings.listJobs({ tag: ["a"], limit: 5 });
    const long = await tidings.submit("ticks", { count: 1000 });
    await tidings.cancel(long.job_id);
    const why = await tidings.result(long.job_id).catch((error) => error);
    return [again.job_id === job.job_id, result, jobs.length, why instanceof NotCompleted, why.job.status];
}"""


def test_a_job_is_submitted_once_and_its_result_waited_for(shop: Shop, service: Service) -> None:
    told = shop.page().evaluate(RESULT, [f"{service.url}/static/tidings.js", service.key])
    assert told == [True, {"count": 3}, 1, True, "cancelled"]


UPLOAD = """async ([module, token, size]) => {
    const { Tidings } = await import(module);
    const bytes = new Uint8Array(size).map((_, n) => (n * 31 + (n >> 8)) % 251);
    const sent = [];
    const file = new File([bytes], "näme.bin", { type: "application/x-test" });
    const upload = await new Tidings({ token }).upload(file, { onProgress: (n) => sent.push(n) });
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    return [upload, sent, [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("")];
}"""


@pytest.mark.parametrize("size", [0, 3_000_000])
def test_an_upload_survives_an_interrupted_connection(shop: Shop, service: Service, size: int) -> None:
    pieces: list[int] = []

    def interrupt(route: Route) -> None:
        if route.request.method == "PATCH":
            pieces.append(len(route.request.post_data_buffer or b""))
        if route.request.method == "PATCH" and len(pieces) in (2, 3):
            route.abort()
        else:
            route.continue_()

    shop.context.route("**/api/uploads/tus/*", interrupt)
    page = shop.page()
    upload, sent, sha256 = page.evaluate(UPLOAD, [f"{service.url}/static/tidings.js", service.key, size])
    assert (upload["name"], upload["size"], sent[-1]) == ("näme.bin", size, size)
    assert sent == sorted(sent)
    kept = service.ask("GET", f"/api/uploads/tus/{upload['input'].removeprefix('upload:')}")
    assert (kept["sha256"], kept["size"], kept["name"]) == (sha256, size, "näme.bin")


SLOW = """async ([module, token, job]) => {
    const { Tidings } = await import(module);
    const seqs = [];
    for await (const { seq, type } of new Tidings({ token }).follow(job, { after: 0 })) {
        if (!seqs.length) await new Promise((resolve) => setTimeout(resolve, 2000));
        if (type === "log") seqs.push(seq);
    }
    return seqs;
}"""


def test_who_is_slow_to_take_them_misses_none_of_more_than_are_queued(shop: Shop, service: Service) -> None:
    job_id = service.submit("lines", count=2_500)
    told = shop.page().evaluate(SLOW, [f"{service.url}/static/tidings.js", service.key, job_id])
    assert told == service.lines(job_id)
    assert len(told) == 2_500


LAG = """async (module) => {
    const { Follower } = await import(module);
    const follower = new Follower("", null, () => {});
    const hear = (type, seq, job_id = "j") => follower.hear({ type, seq, job_id });
    hear("snapshot", 1);
    while (!follower.lagging) hear("log", follower.queue.length, "other");
    hear("processing", 2);
    follower.queue.length = 0;
    follower.catchUp({ watch() {} });
    hear("progress", 3);
    hear("snapshot", 3);
    hear("snapshot", 3);
    return follower.queue.map(({ type, seq }) => [type, seq]);
}"""


def test_what_was_too_much_for_the_queue_of_a_feed_is_made_up_by_the_next_snapshot(
    shop: Shop, service: Service
) -> None:
    told = shop.page().evaluate(LAG, f"{service.url}/static/client/follow.js")
    assert told == [["progress", 3], ["snapshot", 3]]


def test_one_may_have_the_whole_log_while_another_listens(shop: Shop, service: Service) -> None:
    job_id = service.submit("ticks", count=1000)
    follower = Follower(shop.page(), service, job_id, service.key)
    follower.hears(5)
    follower.page.evaluate(
        """job => {
        window.replayed = [];
        (async () => {
            for await (const { seq, type } of tidings.follow(job, { after: 0 })) if (type === "log") replayed.push(seq);
        })();
    }""",
        job_id,
    )
    follower.hears(len(follower.lines) + 5)
    follower.cancel()
    follower.has_all()
    assert follower.page.evaluate("replayed") == service.lines(job_id)


def test_two_followed_at_once_are_both_told(shop: Shop, service: Service) -> None:
    job_ids = [service.submit("ticks", count=1000) for _ in range(2)]
    several = Several(shop.page(), service)
    several.follow(*job_ids)
    eventually(lambda: several.lines(1))
    for n in (1, 0):
        service.cancel(job_ids[n])
        assert several.ends(n) == "cancelled"


def test_the_end_of_a_subscription_is_not_taken_for_that_of_the_one_begun_anew(shop: Shop, service: Service) -> None:
    held: list[str | bytes] = []
    heard: list[str] = []

    def delay_replay(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()

        def relay(message: str | bytes) -> None:
            heard.append(str(message))
            socket.send(message)
            if "unsubscribed" in str(message):
                while held:
                    server.send(held.pop())

        socket.on_message(lambda message: held.append(message) if '"after":0' in str(message) else server.send(message))
        server.on_message(relay)

    shop.context.route_web_socket("**/api/ws", delay_replay)
    job_id, other = (service.submit("ticks", count=1000) for _ in range(2))
    several = Several(shop.page(), service)
    several.follow(job_id, other)
    eventually(lambda: several.lines(0))
    several.follow(job_id, after=0)
    eventually(lambda: held and several.lines(0))
    service.cancel(job_id)
    assert [several.ends(0), several.ends(2)] == ["cancelled", "cancelled"]
    assert several.lines(2) == service.lines(job_id)
    assert any('"reason":"ended"' in message for message in heard)
    service.cancel(other)


FEED = """async ([module, token]) => {
    const { Tidings, changed } = await import(module);
    window.tidings = new Tidings({ token });
    window.jobs = {};
    const onConnection = (state) => (window.state = state);
    for await (const event of tidings.feed({ onConnection }))
        jobs[event.job_id] = changed({ status: jobs[event.job_id] }, event).status;
}"""


@pytest.mark.parametrize("block", [_open, _without_streams, _without_sockets_too], ids=["sse", "ws", "polls"])
def test_the_feed_tells_of_all_jobs(shop: Shop, service: Service, block: Block) -> None:
    block(shop.context)
    key = service.new_key(f"feed{block.__name__}")
    running = service.submit("ticks", key, count=1000)
    pages = [shop.page(), shop.page()]
    for page in pages:
        page.evaluate(f"given => {{ ({FEED})(given); }}", [f"{service.url}/static/tidings.js", key])
        page.wait_for_function("job => window.jobs?.[job]", arg=running)
    later = service.submit("ticks", key, count=1)
    pages[0].evaluate("job => tidings.cancel(job)", running)
    for page in pages:
        page.wait_for_function("job => jobs[job] === 'cancelled'", arg=running)
        page.wait_for_function("job => jobs[job] === 'completed'", arg=later)
        assert page.evaluate("Object.keys(jobs).length") == 2
    assert pages[0].evaluate("state") == ("polling" if block is _without_sockets_too else "live")
