import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack

import pytest
from redis.asyncio import Redis

from app.auth.principal import USUAL, Principal
from app.bus import Bus
from app.events import Event
from app.hub import Close, FeedSubscription, Full, Hub
from app.hub.hub import WINDOW_SECONDS
from app.hub.subscription import FeedEvent
from app.jobs import STATUSES
from app.store import Filter, JobStore
from tests.ground import OWNER, accepted, claimed, completed, log, progress, running
from tests.watching import Client, running_hub, until

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
