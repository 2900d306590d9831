"""Webhooks in the store: queued with their event, as the job was then; who is asked next, and what comes of it."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import pytest
from pydantic_core import from_json
from redis.asyncio import Redis

from app.clock import rfc3339
from app.events import json_text
from app.jobs import new_job_id
from app.store import (
    Change,
    Claimed,
    Delivery,
    DeliveryLog,
    DeliveryStore,
    Due,
    JobStore,
    Order,
    Outcome,
)
from app.webhooks import DEFAULT_EVENTS
from tests.ground import OWNER, accepted, claimed, completed, failed, log, progress, running, submission
from tests.still_store import START, Clock
from tests.working import job_of

HOOK: Final = "http://receiver.example/hook"
HOST: Final = "receiver.example:80"
OTHER: Final = "other.example:443"
LEASE_MS: Final = 30_000
DAY_MS: Final = 86_400_000
TOLD: Final = {"callback_url": HOOK, "callback_events": DEFAULT_EVENTS}


@pytest.fixture
def jobs(clock: Clock) -> JobStore:
    return clock.store()


@pytest.fixture
def deliveries(clock: Clock) -> DeliveryStore:
    return clock.deliveries(public_url="https://tidings.example", per_host=3)


@pytest.fixture
def history(clock: Clock) -> DeliveryLog:
    return clock.delivery_log()


def told(*events: str, url: str = HOOK) -> dict[str, Any]:
    return {"callback_url": url, "callback_events": events}


async def ended(jobs: JobStore, **fields: Any) -> str:
    """A job that has completed."""
    run = await running(jobs, **(TOLD | fields))
    await jobs.apply(run.job_id, [completed({"n": 1})], token=run.token)
    return run.job_id


async def due(deliveries: DeliveryStore, slots: int = 100) -> Sequence[Due]:
    return (await deliveries.claim("d", slots, lease_ms=LEASE_MS)).deliveries


async def all_due(deliveries: DeliveryStore) -> list[Due]:
    """However few may be under way at once: each is delivered."""
    found: list[Due] = []
    while some := await due(deliveries):
        await deliveries.settle_many([(one, delivered()) for one in some])
        found += some
    return found


async def only(deliveries: DeliveryStore) -> Due:
    (one,) = await due(deliveries)
    return one


def delivered() -> Outcome:
    return Outcome("delivered", START, 12, 200, response_excerpt="thanks")


def refused(retry_in_ms: int = 5_000, http_status: int | None = 500, **more: Any) -> Outcome:
    return Outcome("retrying", START, 12, http_status, "no", retry_in_ms=retry_in_ms, **more)


def lost() -> Outcome:
    return Outcome("failed", START, 15_000, error="timeout")


async def listed(history: DeliveryLog, job_id: str) -> list[Delivery]:
    found, _ = await history.page(job_id, limit=200)
    return found


async def expiry(redis: Redis, job_id: str) -> int:
    """Of a job's deliveries, milliseconds since 1970; -1: they stay."""
    when: int = await redis.execute_command("PEXPIRETIME", f"tidings:{{{job_id}}}:deliveries")  # type: ignore[no-untyped-call]  # redis-py
    return when


async def test_the_end_of_a_job_is_due_at_once_with_the_job_as_it_was(
    jobs: JobStore, deliveries: DeliveryStore, clock: Clock
) -> None:
    job_id = await ended(jobs)
    job = await job_of(jobs, job_id)
    one = await only(deliveries)
    assert (one.job_id, one.n, one.webhook_id, one.event, one.attempt) == (job_id, 1, f"{job_id}-3", "completed", 1)
    assert (one.owner, one.url, one.host, one.claimed_at) == (OWNER, HOOK, HOST, clock.now)
    assert from_json(one.body) == {
        "type": "job.completed",
        "timestamp": rfc3339(START),
        "data": from_json(json_text(job.shown("https://tidings.example"))),
    }


async def test_who_has_no_callback_url_tells_nobody_and_keeps_nothing(jobs: JobStore, redis: Redis) -> None:
    run = await running(jobs)
    await jobs.apply(run.job_id, [completed()], token=run.token)
    assert not [key for key in await redis.keys() if b"webhooks" in key or b"deliveries" in key]


async def test_each_event_that_is_wanted_is_told_with_the_job_as_that_left_it(
    jobs: JobStore, deliveries: DeliveryStore
) -> None:
    run = await running(jobs, **told("pending", "processing", "log", "mine", "failed"))
    mine = Change("mine", '{"a":1}')
    await jobs.apply(run.job_id, [log("l"), progress(5), mine, failed()], token=run.token)
    bodies = [from_json(one.body) for one in await all_due(deliveries)]
    assert [body["type"] for body in bodies] == ["job.pending", "job.processing", "job.log", "job.mine", "job.failed"]
    assert [body["data"]["seq"] for body in bodies] == [1, 2, 3, 5, 6]
    assert [body["data"]["status"] for body in bodies] == ["pending", *["processing"] * 3, "failed"]
    assert [body["data"].get("event", {}).get("data") for body in bodies] == [
        None,
        None,
        {"level": "info", "line": "l"},
        {"a": 1},
        None,
    ]
    assert bodies[-1]["data"]["error"] == {"code": "handler_error", "message": "no"}
    assert [body["data"]["progress"] for body in bodies[3:]] == [{"percent": 5}] * 2


async def test_an_end_nobody_applied_is_told_too(jobs: JobStore, deliveries: DeliveryStore, clock: Clock) -> None:
    cancelled = await accepted(jobs, **TOLD)
    await jobs.cancel(cancelled, "a")
    expired = await accepted(jobs, **TOLD, start_within_ms=1_000)
    await clock.move(2_000)
    while not await jobs.settle_overdue():  # unless nobody had looked for a while
        await clock.move(2_000)
    assert {(one.job_id, one.event) for one in await due(deliveries)} == {(cancelled, "cancelled"), (expired, "failed")}


async def test_every_attempt_has_the_same_id_and_the_same_bytes(
    jobs: JobStore, deliveries: DeliveryStore, clock: Clock
) -> None:
    run = await running(jobs, **TOLD)
    await jobs.apply(run.job_id, [failed()], token=run.token)
    first = await only(deliveries)
    await deliveries.settle(first, refused(5_000))
    await jobs.retry(run.job_id, "a")
    await clock.move(4_999)
    assert await due(deliveries) == ()
    await clock.move(1)
    second = await only(deliveries)
    assert (second.webhook_id, second.body, second.attempt) == (first.webhook_id, first.body, 2)


async def test_a_claim_tells_when_something_is_due_next(
    jobs: JobStore, deliveries: DeliveryStore, clock: Clock
) -> None:
    assert await deliveries.claim("d", 1, lease_ms=LEASE_MS) == Claimed((), None)
    await ended(jobs)
    await deliveries.settle(await only(deliveries), refused(5_000))
    await clock.move(2_000)
    assert await deliveries.claim("d", 1, lease_ms=LEASE_MS) == Claimed((), 3_000)


async def test_a_queued_webhook_wakes_a_deliverer(jobs: JobStore, deliveries: DeliveryStore) -> None:
    assert not await deliveries.wait(0.01)
    await ended(jobs)
    assert await deliveries.wait(60)


async def test_what_was_lost_with_its_deliverer_comes_again_and_who_lost_it_settles_nothing(
    jobs: JobStore, deliveries: DeliveryStore, history: DeliveryLog, clock: Clock
) -> None:
    job_id = await ended(jobs)
    first = await only(deliveries)
    await clock.move(LEASE_MS - 1)
    assert await due(deliveries) == ()
    await clock.move(1)
    second = await only(deliveries)
    assert (second.webhook_id, second.body, second.attempt) == (first.webhook_id, first.body, 1)
    await deliveries.settle(first, lost())
    assert [one.status for one in await listed(history, job_id)] == ["sending"]
    await deliveries.settle(second, delivered())
    await deliveries.settle(second, lost())
    assert [one.status for one in await listed(history, job_id)] == ["delivered"]
    await clock.move(DAY_MS)
    assert await due(deliveries) == ()


async def test_a_black_hole_holds_only_its_own_share(jobs: JobStore, deliveries: DeliveryStore) -> None:
    for _ in range(8):
        await ended(jobs)
    for _ in range(4):
        await ended(jobs, callback_url="https://other.example/x")
    assert Counter(one.host for one in await due(deliveries, 4)) == {HOST: 2, OTHER: 2}
    rest = {one.host: one for one in await due(deliveries)}
    assert set(rest) == {HOST, OTHER}, "three at once are under way at each"
    assert await deliveries.claim("d", 9, lease_ms=LEASE_MS) == Claimed((), LEASE_MS)
    await deliveries.settle(rest[OTHER], delivered())
    assert [one.host for one in await due(deliveries)] == [OTHER]


async def test_an_owner_with_many_receivers_holds_only_its_share(jobs: JobStore, clock: Clock) -> None:
    deliveries = clock.deliveries(per_owner=2)
    mine = []
    for port in (1, 2, 3, 3, 4):
        mine.append(await ended(jobs, callback_url=f"http://tar.example:{port}/"))
        await clock.move(1)
    others = [await ended(jobs, owner="other", callback_url=f"http://tar.example:{port}/") for port in (3, 5)]
    first, second, *rest = await due(deliveries)
    assert ([first.job_id, second.job_id], {one.job_id for one in rest}) == (mine[:2], set(others))
    assert await deliveries.claim("d", 9, lease_ms=LEASE_MS) == Claimed((), LEASE_MS), "nobody looks in vain"
    for waiting in mine[2:4]:
        await deliveries.settle(first, delivered())
        (first,) = await due(deliveries)
        assert first.job_id == waiting
    await clock.move(LEASE_MS)
    assert {one.owner for one in await due(deliveries)} == {OWNER, "other"}


async def test_what_was_passed_over_comes_after_a_lease_whatever_becomes_of_its_owners_others(
    jobs: JobStore, clock: Clock
) -> None:
    deliveries = clock.deliveries(per_owner=1)
    one, other = [await ended(jobs, callback_url=f"http://tar.example:{port}/") for port in (1, 2)]
    assert [claimed.job_id for claimed in await due(deliveries)] == [one]
    await jobs.purge(one)
    await clock.move(LEASE_MS - 1)
    assert not await due(deliveries)
    await clock.move(1)
    assert [claimed.job_id for claimed in await due(deliveries)] == [other]


async def test_a_receiver_that_keeps_failing_is_left_alone_ever_longer_and_then_asked_once(
    jobs: JobStore, deliveries: DeliveryStore, clock: Clock
) -> None:
    for _ in range(9):
        await ended(jobs)
    for _ in range(5):
        await deliveries.settle((await due(deliveries, 1))[0], refused(DAY_MS, None))
    for pause_ms in (30_000, 60_000, 120_000):
        assert await deliveries.claim("d", 9, lease_ms=LEASE_MS) == Claimed((), pause_ms)
        await clock.move(pause_ms)
        probe = await only(deliveries)
        await deliveries.settle(probe, refused(DAY_MS, 503))
    await clock.move(240_000)
    await deliveries.settle(await only(deliveries), delivered())
    assert await due(deliveries) == (), "all others wait for their next attempt"
    await clock.move(DAY_MS)
    assert len(await due(deliveries)) == 3, "as many at once as before"


async def test_the_longest_pause_is_ten_minutes(jobs: JobStore, deliveries: DeliveryStore, clock: Clock) -> None:
    await ended(jobs)
    for _ in range(12):
        await deliveries.settle(await only(deliveries), refused(0))
        await clock.move(min(600_000, (await deliveries.claim("d", 1, lease_ms=1)).next_due_ms or 0))
    assert (await due(deliveries, 1))[0].attempt == 13


async def test_an_answer_that_is_no_success_shows_that_the_receiver_lives(
    jobs: JobStore, deliveries: DeliveryStore
) -> None:
    await ended(jobs)
    for http_status in (500, 502, None, 429, 404, 500, 503, 302):
        await deliveries.settle(await only(deliveries), refused(0, http_status))
    assert (await only(deliveries)).attempt == 9


async def test_a_receiver_that_asks_for_peace_has_it(jobs: JobStore, deliveries: DeliveryStore, clock: Clock) -> None:
    for _ in range(2):
        await ended(jobs)
    first, second = await due(deliveries)
    await ended(jobs)
    await deliveries.settle(first, refused(5_000, 429, pause_host_ms=60_000))
    await deliveries.settle(second, delivered())
    assert await deliveries.claim("d", 9, lease_ms=LEASE_MS) == Claimed((), 60_000)
    await clock.move(60_000)
    assert len(await due(deliveries)) == 2


async def test_who_wants_no_more_is_told_no_more_of_that_job(
    jobs: JobStore, deliveries: DeliveryStore, history: DeliveryLog
) -> None:
    run = await running(jobs, **told("processing", "log", "completed"))
    await jobs.apply(run.job_id, [log("1")], token=run.token)
    (first,) = await due(deliveries, 1)
    await deliveries.settle(first, Outcome("gone", START, 1, 410))
    assert await due(deliveries) == ()
    await jobs.apply(run.job_id, [completed()], token=run.token)
    assert await due(deliveries) == ()
    assert [(one.event, one.status) for one in await listed(history, run.job_id)] == [
        ("log", "gone"),
        ("processing", "gone"),
    ]
    await ended(jobs)
    assert len(await due(deliveries)) == 1, "of another job"


async def test_progress_is_told_at_most_every_ten_seconds_and_the_latest(
    jobs: JobStore, deliveries: DeliveryStore, clock: Clock
) -> None:
    run = await running(jobs, **told("progress"))
    percents: list[tuple[int, float]] = []
    for second in range(1, 30):
        await clock.move(1_000)
        await jobs.apply(run.job_id, [progress(second)], token=run.token)
        for one in await due(deliveries):
            percents.append((second, from_json(one.body)["data"]["progress"]["percent"]))
            await deliveries.settle(one, delivered())
    assert percents == [(1, 1), (11, 11), (21, 21)]


async def test_a_progress_that_could_not_be_told_gives_way_to_the_next_and_to_the_end(
    jobs: JobStore, deliveries: DeliveryStore, history: DeliveryLog, clock: Clock
) -> None:
    run = await running(jobs, **told("progress", "completed"))
    await jobs.apply(run.job_id, [progress(1)], token=run.token)
    await deliveries.settle(await only(deliveries), refused(60_000))
    await clock.move(10_000)
    await jobs.apply(run.job_id, [progress(2)], token=run.token)
    under_way = await only(deliveries)
    await jobs.apply(run.job_id, [progress(3)], token=run.token)
    await jobs.apply(run.job_id, [completed()], token=run.token)
    await deliveries.settle(under_way, refused(5_000))
    assert [one.event for one in await due(deliveries)] == ["completed"]
    await clock.move(DAY_MS)
    assert [(one.n, one.event, one.status) for one in await listed(history, run.job_id)] == [
        (4, "completed", "sending"),
        (3, "progress", "superseded"),
        (2, "progress", "superseded"),
        (1, "progress", "superseded"),
    ]


async def test_attempts_are_listed_the_latest_twenty(
    jobs: JobStore, deliveries: DeliveryStore, history: DeliveryLog, clock: Clock
) -> None:
    job_id = await ended(jobs)
    for _ in range(22):
        await clock.move(600_000)
        await deliveries.settle(await only(deliveries), refused(1_000, 500, response_excerpt="é\0"))
    (one,) = await listed(history, job_id)
    assert [attempt["attempt"] for attempt in one.attempts] == list(range(3, 23))
    assert one.shown() == {
        "n": 1,
        "event": "completed",
        "webhook_id": f"{job_id}-3",
        "url": HOOK,
        "status": "retrying",
        "attempt": 22,
        "started_at": rfc3339(START),
        "duration_ms": 12,
        "http_status": 500,
        "error": "no",
        "response_excerpt": "é\0",
        "next_at": rfc3339(clock.now + 1_000),
        "attempts": list(one.attempts),
    }


async def test_pages_lead_on_to_the_first(jobs: JobStore, history: DeliveryLog) -> None:
    run = await running(jobs, **told("log"))
    await jobs.apply(run.job_id, [log("l")] * 5, token=run.token)
    numbers: list[list[int]] = []
    before = None
    while numbers == [] or before:
        found, before = await history.page(run.job_id, limit=2, before=before)
        numbers.append([one.n for one in found])
    assert numbers == [[5, 4], [3, 2], [1]]
    assert await history.page(new_job_id(), limit=2) == ([], None)


async def test_of_a_job_a_thousand_are_kept_and_those_of_its_status(
    jobs: JobStore, deliveries: DeliveryStore, history: DeliveryLog
) -> None:
    run = await running(jobs, **told("processing", "log"))
    for _ in range(11):
        await jobs.apply(run.job_id, [log("l")] * 100, token=run.token)
    found, _ = await history.page(run.job_id, limit=2_000)
    assert [one.n for one in found] == [*range(1_101, 101, -1), 1]
    assert [one.n for one in await due(deliveries)] == [1, 102, 103]


async def test_a_webhook_is_sent_again_by_hand(
    jobs: JobStore, deliveries: DeliveryStore, history: DeliveryLog, clock: Clock
) -> None:
    job_id = await ended(jobs)
    first = await only(deliveries)
    assert await history.redeliver(job_id, 1), "which changes nothing: it is under way"
    await deliveries.settle(first, Outcome("gone", START, 1, 410))
    assert await history.redeliver(job_id, 1)
    again = await only(deliveries)
    assert (again.webhook_id, again.body, again.attempt) == (first.webhook_id, first.body, 1)
    await deliveries.settle(again, refused(DAY_MS))
    assert await history.redeliver(job_id, 1)
    assert (await only(deliveries)).attempt == 2
    assert not await history.redeliver(job_id, 2)
    assert not await history.redeliver(new_job_id(), 1)


async def test_sending_again_by_hand_gives_a_paused_receiver_a_chance(
    jobs: JobStore, deliveries: DeliveryStore, history: DeliveryLog
) -> None:
    job_id = await ended(jobs)
    for _ in range(5):
        await deliveries.settle(await only(deliveries), refused(0))
    assert await due(deliveries) == ()
    await history.redeliver(job_id, 1)
    assert len(await due(deliveries)) == 1


async def test_all_that_have_failed_are_sent_again_the_owners_alone(
    jobs: JobStore, deliveries: DeliveryStore, history: DeliveryLog
) -> None:
    mine = [await ended(jobs) for _ in range(3)]
    await ended(jobs, owner="other")
    while found := await due(deliveries):
        await deliveries.settle_many([(one, Outcome("failed", START, 1, 404, "no")) for one in found])
    await jobs.purge(mine[0])
    (some, more), (rest, even_more) = [await history.redeliver_failed(OWNER, 2) for _ in range(2)]
    assert (some + rest, more, even_more) == (2, True, False), "one is gone with its job"
    assert {one.job_id for one in await due(deliveries)} == set(mine[1:])


async def test_what_went_with_its_job_is_not_sent_and_holds_nothing_up(
    jobs: JobStore, deliveries: DeliveryStore, redis: Redis
) -> None:
    under_way, waiting = await ended(jobs), await ended(jobs)
    (one,) = await due(deliveries, 1)
    await jobs.purge(under_way)
    await jobs.purge(waiting)
    await deliveries.settle(one, refused())
    assert await deliveries.claim("d", 9, lease_ms=LEASE_MS) == Claimed((), None)
    keys = sorted(key.decode() for key in await redis.keys("tidings:*webhooks*"))
    assert keys == [f"tidings:webhooks:host:{HOST}", "tidings:nudge:/webhooks"][::-1]
    assert await redis.ttl(f"tidings:webhooks:host:{HOST}") > 0


@pytest.mark.parametrize("told", ["", "{", "[1,2]", '[["kind"],"{}",false,[]]'])
async def test_one_that_has_gone_bad_does_not_stop_the_others(
    jobs: JobStore, deliveries: DeliveryStore, history: DeliveryLog, redis: Redis, told: str
) -> None:
    bad, good = await ended(jobs), await ended(jobs)
    await redis.hset(f"tidings:{{{bad}}}:deliveries", "1:told", told)  # type: ignore[misc]  # redis-py
    assert (await only(deliveries)).job_id == good
    assert [one.status for one in await listed(history, bad)] == ["failed"]


async def test_deliveries_are_kept_as_long_as_their_job_and_as_one_waits(
    jobs: JobStore, deliveries: DeliveryStore, redis: Redis, clock: Clock
) -> None:
    run = await running(jobs, **TOLD, result_ttl_ms=1_000)
    assert await expiry(redis, run.job_id) == -1
    await jobs.apply(run.job_id, [failed()], token=run.token)
    assert await expiry(redis, run.job_id) == clock.now + 1_000 + DAY_MS
    await deliveries.settle(await only(deliveries), refused(3 * DAY_MS))
    assert await expiry(redis, run.job_id) == clock.now + 4 * DAY_MS
    await jobs.retry(run.job_id, "a")
    assert await expiry(redis, run.job_id) == -1
    await jobs.cancel(run.job_id, "a")
    assert await expiry(redis, run.job_id) == clock.now + 4 * DAY_MS, "the first still waits"


async def test_a_batch_is_told_once_when_all_its_jobs_have_ended(
    jobs: JobStore, deliveries: DeliveryStore, clock: Clock
) -> None:
    batches = clock.batches()
    order = Order(new_job_id(), OWNER, [submission(), submission(**TOLD)], callback_url="https://batch.example/")
    await batches.accept(order)
    await batches.work(order.batch_id)
    found: dict[str, Due] = {}
    for _ in range(2):
        assert "batch.completed" not in found
        run = await claimed(jobs)
        await jobs.apply(run.job_id, [completed()], token=run.token)
        found |= {one.event: one for one in await due(deliveries)}
    batch = await batches.read(order.batch_id)
    assert batch
    assert set(found) == {"completed", "batch.completed"}
    one = found["batch.completed"]
    assert (one.webhook_id, one.url) == (f"{order.batch_id}-{batch.seq}", "https://batch.example/")
    shown = from_json(json_text(batch.shown("https://tidings.example")))
    assert from_json(one.body) == {"type": "batch.completed", "timestamp": rfc3339(START), "data": shown}
