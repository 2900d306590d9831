"""The client follows a job by whatever way is open, goes on after whatever breaks, and tells each event once."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Route

from tests.conftest import eventually
from tests.static.follower import Follower
from tests.static.service import Service
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
    job_id = service.submit("ticks", count=10, every=0.2)
    follower = Follower(page, service, job_id, token=service.key)
    follower.has_all()
    assert follower.events[-1][1] == "completed"
    assert state in follower.states
    assert bool(sockets) == (block is _without_streams)


@pytest.mark.parametrize("block", [_open, _without_streams], ids=["sse", "ws"])
def test_it_goes_on_after_the_server_was_restarted(shop: Shop, service: Service, block: Block) -> None:
    block(shop.context)
    job_id = service.submit("ticks", count=1000)
    follower = Follower(shop.page(), service, job_id, service.key)
    follower.hears(3)
    service.stop_web()
    eventually(lambda: "offline" in follower.states)
    service.start_web()
    eventually(lambda: follower.states[-1] == "live")
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
    job_id = service.submit("ticks", count=10)
    follower = Follower(page, service, job_id, service.key)
    follower.ends()
    assert (follower.events[-1][1], len(sockets)) == ("completed", 1)


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
