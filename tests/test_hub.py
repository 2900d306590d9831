import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack

import pytest
from redis.asyncio import Redis

from app.auth.principal import USUAL, Principal
from app.bus import Bus
from app.events import Event
from app.hub import SSE, Close, FeedSubscription, Full, Hub, Message, Wire, Writer
from app.hub.channel import Channel
from app.hub.hub import WINDOW_SECONDS
from app.hub.subscription import FeedEvent
from app.hub.wire import LinesWire, Sendable
from app.hub.writer import KEEP_ALIVE_SECONDS
from app.jobs import EVERYBODY, STATUSES
from app.store import Change, Filter, JobStore, Run
from tests.ground import OWNER, accepted, claimed, completed, failed, log, progress, running
from tests.watching import Client, running_hub, until


class FailingWire(LinesWire):
    """Cannot frame what it is given, from some moment on."""

    fails = False

    def encode(self, events: Sequence[Sendable]) -> Message:
        if self.fails:
            raise OverflowError
        return super().encode(events)

    def keep_alive(self) -> None:
        raise OverflowError


class Streamed:
    """Keeps the messages of an event stream."""

    def __init__(self, wire: Wire = SSE) -> None:
        self.sent: list[Message] = []
        self.hung_up: Close | None = None
        self.writer = Writer(wire, self._send, self._hang_up)

    async def _send(self, message: Message) -> None:
        self.sent.append(message)

    def _hang_up(self, close: Close) -> None:
        self.hung_up = close


ONE, ANOTHER = Principal(OWNER, USUAL), Principal("another", USUAL)


@pytest.fixture
async def parts(redis: Redis, jobs: JobStore) -> AsyncIterator[tuple[Hub, Bus]]:
    async with running_hub(redis, jobs) as parts:
        yield parts


@pytest.fixture
def hub(parts: tuple[Hub, Bus]) -> Hub:
    return parts[0]


async def test_a_fresh_watcher_gets_a_snapshot_and_then_what_happens(hub: Hub, jobs: JobStore) -> None:
    job_id = await accepted(jobs)
    client = Client()
    await client.join(hub, job_id)
    run = await claimed(jobs)
    await jobs.apply(job_id, [progress(50)], token=run.token)
    await jobs.apply(job_id, [completed({"x": 1})], token=run.token)
    await until(lambda: client.closed)
    assert client.types == ["snapshot", "processing", "progress", "completed"]
    assert client.events[0]["data"]["status"] == "pending"
    assert client.events[0]["seq"] == 1
    assert client.seqs == [2, 3, 4]
    assert client.closed == Close.ENDED


async def test_a_watcher_that_resumes_gets_exactly_what_it_missed(hub: Hub, jobs: JobStore) -> None:
    run = await running(jobs)
    await jobs.apply(run.job_id, [log(str(n)) for n in range(5)], token=run.token)
    client = Client()
    await client.join(hub, run.job_id, after=3)
    await jobs.apply(run.job_id, [log("live")], token=run.token)
    await until(lambda: len(client.events) == 5)
    assert client.seqs == [4, 5, 6, 7, 8]


async def test_a_position_the_log_does_not_reach_back_to_gets_a_snapshot_marked_as_reset(
    hub: Hub, redis: Redis
) -> None:
    jobs = JobStore(redis, max_log_events=5)
    run = await running(jobs)
    await jobs.apply(run.job_id, [log(str(n)) for n in range(20)], token=run.token)
    for after in (3, 999):
        client = Client()
        await client.join(hub, run.job_id, after=after)
        assert client.types == ["snapshot"]
        assert client.events[0]["reset"] is True


async def test_watchers_that_join_in_the_middle_of_a_storm_miss_nothing_and_get_nothing_twice(
    hub: Hub, jobs: JobStore
) -> None:
    run = await running(jobs)
    clients: list[Client] = []

    async def watch(n: int) -> None:
        await asyncio.sleep(n * 0.001)
        client = Client()
        clients.append(client)
        await client.join(hub, run.job_id, after=0)

    async def write() -> None:
        for n in range(200):
            await jobs.apply(run.job_id, [log(str(n))], token=run.token)
        await jobs.apply(run.job_id, [completed()], token=run.token)

    await asyncio.gather(write(), *(watch(n) for n in range(100)))
    await until(lambda: all(client.closed for client in clients))
    assert all(client.seqs == list(range(1, 204)) for client in clients)


async def test_who_joins_at_the_same_moment_shares_one_read(hub: Hub, jobs: JobStore, redis: Redis) -> None:
    run = await running(jobs)
    before = (await redis.info("commandstats")).get("cmdstat_hgetall", {}).get("calls", 0)
    clients = [Client() for _ in range(200)]
    await asyncio.gather(*(client.join(hub, run.job_id, after=0) for client in clients))
    reads = (await redis.info("commandstats"))["cmdstat_hgetall"]["calls"] - before
    assert all(client.seqs == [1, 2] for client in clients)
    assert reads <= 10


async def test_events_of_one_moment_leave_in_one_message(hub: Hub, jobs: JobStore) -> None:
    run = await running(jobs)
    client = Client()
    await client.join(hub, run.job_id)
    await jobs.apply(run.job_id, [log(str(n)) for n in range(100)], token=run.token)
    await until(lambda: len(client.events) == 101)
    assert client.messages <= 5


async def test_a_busy_hub_collects_for_a_moment(hub: Hub, jobs: JobStore) -> None:
    runs = [await running(jobs) for _ in range(20)]
    clients = [Client() for _ in runs]
    for client, run in zip(clients, runs, strict=True):
        await client.join(hub, run.job_id)
    await asyncio.gather(*(jobs.apply(run.job_id, [log(str(n))], token=run.token) for n in range(50) for run in runs))
    await until(lambda: all(len(client.events) == 51 for client in clients))
    assert all(client.seqs == sorted(client.seqs) for client in clients)
    assert WINDOW_SECONDS <= 0.003


async def test_a_client_that_stops_reading_delays_nobody_and_finds_progress_conflated(hub: Hub, jobs: JobStore) -> None:
    run = await running(jobs)
    slow, quick = Client(), Client()
    for client in (slow, quick):
        await client.join(hub, run.job_id)
    slow.reading.clear()
    for percent in range(20):
        await jobs.apply(run.job_id, [progress(percent), log(str(percent))], token=run.token)
    await until(lambda: len(quick.events) == 41)
    slow.reading.set()
    await jobs.apply(run.job_id, [completed()], token=run.token)
    await until(lambda: slow.closed)
    assert slow.types.count("log") == 20
    assert slow.types.count("progress") < 20
    assert slow.seqs == sorted(slow.seqs)
    assert slow.types[-1] == "completed"


async def test_a_client_that_falls_too_far_behind_is_hung_up_on(hub: Hub, jobs: JobStore) -> None:
    run = await running(jobs)
    slow = Client()
    await slow.join(hub, run.job_id)
    slow.reading.clear()
    while slow.hung_up is None:
        await jobs.apply(run.job_id, [log("x" * 8_000) for _ in range(20)], token=run.token)
    assert slow.hung_up is Close.TOO_SLOW
    hub.unwatch(run.job_id, slow.subscription)
    await slow.writer.aclose()


async def test_what_a_lost_bus_connection_missed_is_read_from_the_log(
    parts: tuple[Hub, Bus], jobs: JobStore, redis: Redis
) -> None:
    hub, bus = parts
    run = await running(jobs)
    client = Client()
    await client.join(hub, run.job_id)
    await redis.client_kill_filter(_type="pubsub")
    await until(lambda: not bus.connected.is_set())
    await jobs.apply(run.job_id, [log("unheard")], token=run.token)
    await until(lambda: client.seqs == [3])
    await jobs.apply(run.job_id, [completed()], token=run.token)
    await until(lambda: client.closed)
    assert client.seqs == [3, 4]


async def test_a_hole_on_the_bus_is_filled_from_the_log(hub: Hub, jobs: JobStore, redis: Redis) -> None:
    run = await running(jobs)
    client = Client()
    await client.join(hub, run.job_id)
    await jobs.apply(run.job_id, [log("1"), log("2")], token=run.token)
    await until(lambda: len(client.events) == 3)
    await redis.xadd(f"tidings:{{{run.job_id}}}:events", {"t": "log", "a": 1, "d": "{}"}, id="5-0")
    await redis.hset(f"tidings:{{{run.job_id}}}:job", "seq", "5")  # type: ignore[misc]  # redis-py's own types
    await jobs.apply(run.job_id, [completed()], token=run.token)
    await until(lambda: client.closed)
    assert client.seqs == [3, 4, 5, 6]


async def test_a_finished_job_is_told_and_the_stream_ends(hub: Hub, jobs: JobStore) -> None:
    run = await running(jobs)
    await jobs.apply(run.job_id, [completed({"x": 1})], token=run.token)
    client = Client()
    await client.join(hub, run.job_id)
    await until(lambda: client.closed)
    assert client.types == ["snapshot"]
    assert client.events[0]["data"]["result"] == {"x": 1}


async def test_nothing_stays_subscribed_when_nobody_watches(hub: Hub, jobs: JobStore, redis: Redis) -> None:
    job_id = await accepted(jobs)
    clients = [Client() for _ in range(3)]
    for client in clients:
        await client.join(hub, job_id)
    assert len(await redis.pubsub_channels()) == 1
    for client in clients:
        hub.unwatch(job_id, client.subscription)
    async with asyncio.timeout(10):
        while await redis.pubsub_channels():
            await asyncio.sleep(0.005)
    await clients[0].join(hub, job_id)
    await jobs.cancel(job_id, OWNER)
    await until(lambda: clients[0].closed)


async def test_the_feed_tells_of_all_jobs_of_the_owner_and_of_nobody_elses(hub: Hub, jobs: JobStore) -> None:
    old, foreign = await accepted(jobs), await accepted(jobs, owner="another")
    client = Client()
    watching = FeedSubscription(client.writer, Filter())
    feed = await hub.watch_feed(OWNER, watching)
    await feed.join(watching, await feed.active())
    new = await accepted(jobs, kind="other")
    await jobs.cancel(foreign, "another")
    await jobs.cancel(old, OWNER)
    await until(lambda: len(client.events) == 3)
    assert [(e["type"], e["job_id"]) for e in client.events] == [
        ("snapshot", old),
        ("pending", new),
        ("cancelled", old),
    ]
    hub.unwatch_feed(OWNER, watching)


async def test_a_feed_is_filtered_by_kind_tag_and_status(hub: Hub, jobs: JobStore) -> None:
    filters = [
        Filter(kinds=frozenset({"other"})),
        Filter(tags=frozenset({"blue"})),
        Filter(statuses=frozenset({"cancelled"})),
    ]
    clients = [Client() for _ in filters]
    for client, wanted in zip(clients, filters, strict=True):
        watching = FeedSubscription(client.writer, wanted)
        feed = await hub.watch_feed(OWNER, watching)
        await feed.join(watching, await feed.active())
    plain = await accepted(jobs)
    other = await accepted(jobs, kind="other")
    blue = await accepted(jobs, tags=("blue", "red"))
    await jobs.cancel(plain, OWNER)
    await until(lambda: len(clients[2].events) == 1)
    assert [[e["job_id"] for e in client.events] for client in clients] == [[other], [blue], [plain]]


@pytest.mark.parametrize(
    ("type", "status"),
    [(status, status) for status in sorted(STATUSES)]
    + [(type, "pending") for type in ("position", "suspended", "resumed")]
    + [(type, "processing") for type in ("progress", "log", "waiting", "cancel_requested", "artifact", "mine")],
)
def test_a_feed_tells_what_happens_to_who_wants_jobs_of_the_status_in_which_it_does(type: str, status: str) -> None:
    item = FeedEvent(Event("a" * 26, 1, type, 0, "{}"), "k", ())
    assert [wanted for wanted in STATUSES if item.fits(Filter(statuses=frozenset({wanted})))] == [status]


async def test_a_feeds_progress_is_thinned_and_its_latest_still_comes(hub: Hub, jobs: JobStore) -> None:
    run = await running(jobs)
    client = Client()
    watching = FeedSubscription(client.writer, Filter())
    feed = await hub.watch_feed(OWNER, watching)
    await feed.join(watching, await feed.active())
    for percent in range(100):
        await jobs.apply(run.job_id, [progress(percent)], token=run.token)
    await until(lambda: client.events[-1]["data"].get("percent") == 99)
    assert client.types.count("progress") < 20


async def test_connections_are_counted_per_owner_and_refused_past_the_bound(redis: Redis, jobs: JobStore) -> None:
    async with running_hub(redis, jobs) as (hub, _):
        clients = [Client() for _ in range(100)]
        with ExitStack() as admitted:
            for client in clients:
                admitted.enter_context(hub.attendance.admitted(ONE, client.writer))
            with pytest.raises(Full) as full, hub.attendance.admitted(ONE, Client().writer):
                pass
            assert full.value.close is Close.TOO_MANY
            with hub.attendance.admitted(ANOTHER, Client().writer):
                pass
        with hub.attendance.admitted(ONE, Client().writer):
            pass


async def test_draining_ends_every_stream_and_admits_no_other(hub: Hub) -> None:
    clients = [Client() for _ in range(50)]
    with ExitStack() as admitted:
        for client in clients:
            admitted.enter_context(hub.attendance.admitted(ONE, client.writer))
        await hub.attendance.drain(0.05)
    assert all(client.closed == Close.RESTARTING for client in clients)
    with pytest.raises(Full), hub.attendance.admitted(ONE, Client().writer):
        pass


async def test_a_good_bye_that_is_not_taken_ends_in_hanging_up(
    hub: Hub, jobs: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.hub.writer.MOST_SEND_SECONDS", 0.02)
    client = Client()
    await client.join(hub, await accepted(jobs))
    client.reading.clear()
    client.writer.finish(Close.ENDED)
    await until(lambda: client.hung_up)


async def test_draining_hangs_up_on_who_does_not_read(hub: Hub, jobs: JobStore) -> None:
    reads, does_not = Client(), Client()
    with ExitStack() as admitted:
        for client in (reads, does_not):
            admitted.enter_context(hub.attendance.admitted(ONE, client.writer))
            await client.join(hub, await accepted(jobs))
        does_not.reading.clear()
        await hub.attendance.drain(0.05)
        assert reads.closed == Close.RESTARTING
        assert does_not.hung_up is Close.RESTARTING
    await does_not.writer.aclose()


async def test_one_client_that_cannot_be_hung_up_on_costs_the_others_nothing(hub: Hub, jobs: JobStore) -> None:
    def hang_up(_: Close) -> None:
        raise RuntimeError("cannot")

    run = await running(jobs)
    broken, quick = Client(), Client()
    broken.writer._hang_up = hang_up
    for client in (broken, quick):
        await client.join(hub, run.job_id)
    broken.reading.clear()
    for _ in range(10):
        await jobs.apply(run.job_id, [log("x" * 8_000) for _ in range(20)], token=run.token)
    await jobs.apply(run.job_id, [completed()], token=run.token)
    await until(lambda: quick.closed)
    assert quick.seqs == list(range(3, 204))
    await broken.writer.aclose()


async def test_a_long_history_is_sent_in_slices_as_fast_as_it_is_read(hub: Hub, jobs: JobStore) -> None:
    run = await running(jobs)
    for _ in range(10):
        await jobs.apply(run.job_id, [log("x" * 8_000) for _ in range(20)], token=run.token)
    client = Client()
    client.reading.clear()
    joining = asyncio.create_task(client.join(hub, run.job_id, after=0))
    await jobs.apply(run.job_id, [log("live"), completed()], token=run.token)
    client.reading.set()
    await joining
    await until(lambda: client.closed)
    assert client.seqs == list(range(1, 205))
    assert client.messages > 10


async def test_a_process_that_stops_while_a_history_is_sent_says_good_bye_after_it(hub: Hub, jobs: JobStore) -> None:
    client = Client()
    client.reading.clear()
    joining = asyncio.create_task(client.join(hub, await accepted(jobs)))
    await until(lambda: client.writer._waited_for)
    client.writer.finish(Close.RESTARTING)
    client.reading.set()
    await joining
    assert client.types == ["snapshot"]
    assert client.closed == Close.RESTARTING


async def test_a_job_that_cannot_be_read_is_read_again_until_it_can(
    parts: tuple[Hub, Bus], jobs: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub, _ = parts
    run = await running(jobs)
    client = Client()
    await client.join(hub, run.job_id)
    failures = iter([ValueError("not ours"), OSError("away")])
    read = jobs.read

    async def failing(*arguments: object, **options: object) -> object:
        for failure in failures:
            raise failure
        return await read(*arguments, **options)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(jobs, "read", failing)
    await jobs.apply(run.job_id, [log("unheard"), completed()], token=run.token)
    hub.missed()
    await until(lambda: client.closed)
    assert client.seqs == [3, 4]


async def test_after_a_reconnect_the_feed_shows_what_ended_meanwhile_and_nothing_older_after_it(
    parts: tuple[Hub, Bus], jobs: JobStore
) -> None:
    hub, _ = parts
    ended, goes_on = await accepted(jobs), await accepted(jobs)
    client = Client()
    watching = FeedSubscription(client.writer, Filter())
    feed = await hub.watch_feed(OWNER, watching)
    await feed.join(watching, await feed.active())
    hub.missed()
    await jobs.cancel(ended, OWNER)
    await until(lambda: any(e.get("reset") for e in client.events))
    await jobs.cancel(goes_on, OWNER)
    await until(lambda: client.types.count("cancelled") >= 1 and client.events[-1]["job_id"] == goes_on)
    for job_id in (ended, goes_on):
        told = [e for e in client.events if e["job_id"] == job_id]
        assert [e["seq"] for e in told] == sorted(e["seq"] for e in told)
        last = told[-1]
        assert "cancelled" in (last["type"], last["data"].get("status"))


async def test_a_feed_that_joins_during_a_reconnect_is_told_afresh(parts: tuple[Hub, Bus], jobs: JobStore) -> None:
    hub, _ = parts
    job_id = await accepted(jobs)
    client = Client()
    watching = FeedSubscription(client.writer, Filter())
    feed = await hub.watch_feed(OWNER, watching)
    active = await feed.active()
    hub.missed()
    await feed.join(watching, active)
    await until(lambda: len(client.events) == 2)
    assert [(e["type"], e["job_id"], e.get("reset")) for e in client.events] == [
        ("snapshot", job_id, None),
        ("snapshot", job_id, True),
    ]


async def test_a_slow_joiner_gets_what_came_before_a_quick_one_joined(hub: Hub, jobs: JobStore) -> None:
    run = await running(jobs)
    slow, quick = Client(), Client()
    slow.reading.clear()
    joining = asyncio.create_task(slow.join(hub, run.job_id, after=0))
    await until(lambda: slow.writer._waited_for)
    await jobs.apply(run.job_id, [log("one"), log("two")], token=run.token)
    await quick.join(hub, run.job_id, after=0)
    await jobs.apply(run.job_id, [log("three"), completed()], token=run.token)
    await until(lambda: quick.closed)
    slow.reading.set()
    await joining
    await until(lambda: slow.closed)
    assert slow.seqs == quick.seqs == [1, 2, 3, 4, 5, 6]


async def test_who_is_sent_a_history_that_ends_goes_on_where_the_job_is_run_again_meanwhile(
    hub: Hub, jobs: JobStore
) -> None:
    run = await running(jobs)
    await jobs.apply(run.job_id, [failed()], token=run.token)
    client = Client()
    client.reading.clear()
    joining = asyncio.create_task(client.join(hub, run.job_id, after=0))
    await until(lambda: client.writer._waited_for)
    await jobs.retry(run.job_id, OWNER)
    await until(lambda: client.subscription._held)
    client.reading.set()
    await joining
    assert client.types == ["pending", "processing", "failed", "pending"]
    await jobs.cancel(run.job_id, OWNER)
    await until(lambda: client.closed)
    assert client.types[4:] == ["cancelled"]


async def test_an_end_that_comes_late_ends_nobody_who_has_read_on_to_the_next_attempts(
    hub: Hub, jobs: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await running(jobs)
    old, new = Client(), Client()
    await old.join(hub, run.job_id)
    brought: list[Event] = []
    with monkeypatch.context() as patch:
        patch.setattr(Channel, "accept", lambda _, event: brought.append(event))
        await jobs.apply(run.job_id, [failed()], token=run.token)
        await jobs.retry(run.job_id, OWNER)
        await until(lambda: len(brought) == 2)
    await new.join(hub, run.job_id)
    channel = await hub.watch(run.job_id, Client().subscription)
    for event in brought:
        channel.accept(event)
        channel.deliver(0)
    assert (old.closed, new.closed) == (Close.ENDED, None)
    await jobs.cancel(run.job_id, OWNER)
    await until(lambda: new.closed)
    assert new.types == ["snapshot", "cancelled"]


async def test_events_that_cannot_be_framed_for_one_are_told_to_all_others(hub: Hub, jobs: JobStore) -> None:
    run = await running(jobs)
    wire = FailingWire()
    broken, quick, slow = Client(), Client(), Client()
    broken.writer.wire = wire
    for client in (broken, quick):
        await client.join(hub, run.job_id)
    slow.reading.clear()
    joining = asyncio.create_task(slow.join(hub, run.job_id))
    await until(lambda: slow.writer._waited_for)
    wire.fails = True
    await jobs.apply(run.job_id, [log("one")], token=run.token)
    await until(lambda: broken.hung_up)
    slow.reading.set()
    await joining
    await jobs.apply(run.job_id, [completed()], token=run.token)
    await until(lambda: quick.closed and slow.closed)
    assert quick.seqs == slow.seqs == [3, 4]


async def test_a_word_comes_into_the_silence_of_each_stream_whatever_others_hear(hub: Hub, jobs: JobStore) -> None:
    deaf, hears, alone, not_begun = (Streamed() for _ in range(4))
    with ExitStack() as open_streams:
        for stream in (deaf, hears, alone, not_begun):
            open_streams.enter_context(hub.attendance.admitted(ONE, stream.writer))
        everybody = hub.overview(EVERYBODY, alone.writer, Filter())
        await everybody.begin()
        for stream, wanted in ((deaf, Filter(kinds=frozenset({"rare"}))), (hears, Filter())):
            stream.writer.open()
            feed = hub.overview(OWNER, stream.writer, wanted)
            open_streams.callback(feed.close)
            await feed.begin()
            await feed.join()
        alone.writer.open()
        await hub.attendance.keep_alive(0)
        await accepted(jobs)
        await until(lambda: hears.sent)
        await hub.attendance.keep_alive(KEEP_ALIVE_SECONDS)
        everybody.close()
    assert deaf.sent == alone.sent == [SSE.keep_alive()]
    assert SSE.keep_alive() not in hears.sent
    assert not_begun.sent == []


async def test_a_silence_begins_anew_after_each_word_and_event(hub: Hub, jobs: JobStore) -> None:
    stream = Streamed()
    stream.writer.open()
    event = Event("a" * 26, 1, "log", 0, "{}")
    with hub.attendance.admitted(ONE, stream.writer):
        for now in range(100):
            if now == 50:
                stream.writer.write_events([event])
            await hub.attendance.keep_alive(now)
    word, told = SSE.keep_alive(), SSE.encode([event])
    assert stream.sent == [word, word, word, told, word, word, word]


async def test_a_stream_that_has_no_word_for_the_silence_costs_the_others_nothing(hub: Hub) -> None:
    broken, quiet = Streamed(FailingWire()), Streamed()
    with ExitStack() as open_streams:
        for stream in (broken, quiet):
            open_streams.enter_context(hub.attendance.admitted(ONE, stream.writer))
            stream.writer.open()
        for now in (0, KEEP_ALIVE_SECONDS):
            await hub.attendance.keep_alive(now)
    assert (broken.hung_up, quiet.sent) == (Close.RESTARTING, [SSE.keep_alive()])


async def test_a_long_log_that_was_missed_is_told_in_slices(
    hub: Hub, jobs: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await running(jobs)
    client = Client()
    await client.join(hub, run.job_id)
    await all_but_heard(jobs, run, monkeypatch, *(log("x" * 8_000) for _ in range(20)), completed())
    hub.missed()
    await until(lambda: client.closed)
    assert client.seqs == list(range(3, 24))
    assert client.messages == 1 + 3 + 1


async def test_who_joins_while_a_missed_log_is_told_gets_nothing_twice(
    hub: Hub, jobs: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await running(jobs)
    client, joiners = Client(), [Client() for _ in range(5)]
    await client.join(hub, run.job_id)
    await all_but_heard(jobs, run, monkeypatch, *(log("x" * 8_000) for _ in range(40)))
    hub.missed()
    await asyncio.gather(*(joiner.join(hub, run.job_id, after=20) for joiner in joiners))
    await jobs.apply(run.job_id, [completed()], token=run.token)
    await until(lambda: all(each.closed for each in (client, *joiners)))
    assert client.seqs == list(range(3, 44))
    assert all(joiner.seqs == list(range(21, 44)) for joiner in joiners)


async def test_an_outage_while_the_log_is_read_has_it_read_again(
    hub: Hub, jobs: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await running(jobs)
    client = Client()
    await client.join(hub, run.job_id)
    read = jobs.read

    async def read_before_an_outage(*arguments: object, **options: object) -> object:
        monkeypatch.setattr(jobs, "read", read)
        view = await read(*arguments, **options)  # type: ignore[arg-type]  # passed on as they came
        await all_but_heard(jobs, run, monkeypatch, log("later"))
        hub.missed()
        return view

    monkeypatch.setattr(jobs, "read", read_before_an_outage)
    await all_but_heard(jobs, run, monkeypatch, log("one"))
    hub.missed()
    await until(lambda: client.seqs == [3, 4])


async def all_but_heard(jobs: JobStore, run: Run, monkeypatch: pytest.MonkeyPatch, *changes: Change) -> None:
    """They happen to the job, and the bus loses them."""
    lost: list[Event] = []
    with monkeypatch.context() as patch:
        patch.setattr(Channel, "accept", lambda _, event: lost.append(event))
        await jobs.apply(run.job_id, changes, token=run.token)
        await until(lambda: len(lost) == len(changes))
