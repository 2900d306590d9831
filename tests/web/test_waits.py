"""`Prefer: wait` on a real server: who is answered when, and what a wait holds meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest

from app.errors import Unavailable
from app.events import Event
from app.hub import Hub, bell
from app.hub.channel import Channel
from app.main import Web, assemble
from app.settings import Settings
from app.store import JobStore, Run
from app.store.jobs import job_channel
from tests.watching import until
from tests.web.conftest import ANYTHING, Store, assert_problem, served

WAITERS = 200
SECONDS = 30
"""What a client of these tests waits for at most; nearly all are answered long before."""

LOG = {"level": "info", "line": "x"}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """As always, but for who asks too often."""
    return settings.model_copy(update={"poll_burst": 1_000})


@pytest.fixture
def parts(settings: Settings) -> Web:
    return assemble(settings)


@pytest.fixture
def hub(parts: Web) -> Hub:
    return parts.hub


@pytest.fixture
async def address(parts: Web, store: Store) -> AsyncIterator[str]:
    await store.kinds.announce([ANYTHING])
    async with served(parts.app()) as url:
        yield url


def listening(hub: Hub) -> int:
    """Watchers in step with their channel, for whom only what happens next counts."""
    return sum(len(group) for channel in hub._channels.values() for group in channel._joined.values())


def asking(web: httpx.AsyncClient, job_id: str, seq: int | None = None, **headers: str) -> asyncio.Task[httpx.Response]:
    """A poll that waits for what comes after that seq; without one, for the end."""
    known = {} if seq is None else {"If-None-Match": f'"{seq}"'}
    wanted = {"Prefer": "wait=60"} | known | headers
    return asyncio.create_task(web.get(f"/api/jobs/{job_id}", headers=wanted, timeout=SECONDS))


def submitting(web: httpx.AsyncClient, prefer: str, **headers: str) -> asyncio.Task[httpx.Response]:
    wanted = {"Prefer": prefer} | headers
    return asyncio.create_task(web.post("/api/jobs", json={"kind": "anything"}, headers=wanted, timeout=SECONDS))


async def claimed(store: Store) -> Run:
    """The job that is submitted about now."""
    async with asyncio.timeout(SECONDS):
        while True:
            claims = await store.jobs.claim("w1", ["default"], 1, lease_ms=60_000, kinds=["anything"])
            if claims.runs:
                return claims.runs[0]


# Polls


@pytest.mark.parametrize(
    ("type", "data"), [("log", LOG), ("frame.done", {"n": 1}), ("cancel_requested", {"by": "me"}), ("completed", {})]
)
async def test_a_poll_that_waits_is_answered_at_the_next_change(
    web: httpx.AsyncClient, store: Store, hub: Hub, type: str, data: dict[str, Any]
) -> None:
    run = await store.claimed()
    poll = asking(web, run.job_id, 2)
    await until(lambda: listening(hub))
    await store.apply(run, type, data)
    response = await poll
    assert (response.status_code, response.json()["seq"]) == (200, 3)
    assert response.headers["etag"] == '"3"'
    assert response.headers["preference-applied"] == "wait=60"
    assert response.headers["vary"] == "Accept, Prefer"


async def test_with_nothing_new_it_is_304_after_the_time(web: httpx.AsyncClient, store: Store) -> None:
    job = await store.submitted()
    begun = asyncio.get_running_loop().time()
    response = await asking(web, job.job_id, 1, Prefer="wait=1")
    assert asyncio.get_running_loop().time() - begun > 0.9
    assert (response.status_code, response.content) == (304, b"")
    assert response.headers["etag"] == '"1"'
    assert response.headers["preference-applied"] == "wait=1"
    assert response.headers["vary"] == "Accept, Prefer"
    assert response.headers["retry-after"] == "3"


async def test_without_an_entity_tag_it_waits_for_the_end(web: httpx.AsyncClient, store: Store, hub: Hub) -> None:
    run = await store.claimed()
    poll = asking(web, run.job_id)
    await until(lambda: listening(hub))
    await store.apply(run, "log", LOG)
    await store.apply(run, "progress", {"percent": 1})
    await store.apply(run, "completed", {"result": 7})
    response = await poll
    assert (response.status_code, response.json()["status"]) == (200, "completed")
    assert response.headers["preference-applied"] == "wait=60"


async def test_without_an_end_it_is_the_job_as_it_stands_then(web: httpx.AsyncClient, store: Store, hub: Hub) -> None:
    run = await store.claimed()
    poll = asking(web, run.job_id, Prefer="wait=3")
    await until(lambda: listening(hub))
    await store.apply(run, "log", LOG)
    response = await poll
    assert (response.status_code, response.json()["status"], response.json()["seq"]) == (200, "processing", 3)


@pytest.mark.parametrize(("seq", "status"), [(3, 304), (2, 200), (None, 200)])
async def test_of_an_ended_job_nothing_is_waited_for(
    web: httpx.AsyncClient, store: Store, seq: int | None, status: int
) -> None:
    run = await store.completed()
    response = await asking(web, run.job_id, seq)
    assert response.status_code == status
    assert response.headers["preference-applied"] == "wait=60"
    assert "retry-after" not in response.headers


async def test_who_has_an_older_state_is_answered_at_once(web: httpx.AsyncClient, store: Store) -> None:
    run = await store.claimed()
    response = await asking(web, run.job_id, 1)
    assert (response.status_code, response.json()["seq"]) == (200, 2)
    assert response.headers["preference-applied"] == "wait=60"


async def test_a_terminal_may_wait_as_well(web: httpx.AsyncClient, store: Store, hub: Hub) -> None:
    run = await store.claimed()
    poll = asking(web, run.job_id, 2, Accept="text/plain")
    await until(lambda: listening(hub))
    await store.apply(run, "completed", {})
    response = await poll
    assert response.headers["etag"] == 'W/"3"'
    assert response.text.startswith("anything")


async def test_progress_gathers_and_anything_else_is_told_at_once(
    web: httpx.AsyncClient, store: Store, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(bell.SOON, "in_seconds", 3600)
    run = await store.claimed()
    poll = asking(web, run.job_id, 2)
    await until(lambda: listening(hub))
    for percent in (1, 2, 3):
        await store.apply(run, "progress", {"percent": percent})
    await store.apply(run, "log", LOG)
    response = await poll
    assert (response.json()["seq"], response.json()["progress"]["percent"]) == (6, 3)


async def test_progress_alone_is_told_a_moment_later(web: httpx.AsyncClient, store: Store, hub: Hub) -> None:
    run = await store.claimed()
    poll = asking(web, run.job_id, 2)
    await until(lambda: listening(hub))
    await store.apply(run, "progress", {"percent": 1})
    assert (await poll).json()["seq"] == 3


# No wake-up is lost


@pytest.mark.parametrize(
    "moment", [(Hub, "watch", False), (Hub, "watch", True), (Channel, "join", False), (Channel, "join", True)]
)
@pytest.mark.parametrize(("seq", "change"), [(2, "log"), (2, "completed"), (None, "completed")])
async def test_a_change_while_the_wait_is_being_set_up_is_not_missed(
    web: httpx.AsyncClient,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    moment: tuple[type, str, bool],
    seq: int | None,
    change: str,
) -> None:
    """Between the door's read and the subscription, that and the log's reading, that and the wait, or just after."""
    owner, name, after = moment
    original: Callable[..., Awaitable[Any]] = getattr(owner, name)
    run = await store.claimed()

    async def with_change(*arguments: Any) -> Any:
        if not after:
            await store.apply(run, change, LOG)
        returned = await original(*arguments)
        if after:
            await store.apply(run, change, LOG)
        return returned

    monkeypatch.setattr(owner, name, with_change)
    response = await asking(web, run.job_id, seq)
    assert (response.status_code, response.json()["seq"]) == (200, 3)


async def test_who_polls_on_and_on_sees_every_change_in_time(web: httpx.AsyncClient, store: Store) -> None:
    run = await store.claimed()

    async def write() -> None:
        for _ in range(100):
            await store.apply(run, "log", LOG)
        await store.apply(run, "completed", {})

    writing, seq, status = asyncio.create_task(write()), 2, "processing"
    while status == "processing":
        response = await asking(web, run.job_id, seq)
        assert response.status_code == 200
        assert response.json()["seq"] > seq
        seq, status = response.json()["seq"], response.json()["status"]
    await writing
    assert (seq, status) == (103, "completed")


async def test_a_change_that_the_bus_has_lost_is_found_when_it_is_back(
    web: httpx.AsyncClient, store: Store, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await store.claimed()
    poll = asking(web, run.job_id, 2)
    await until(lambda: listening(hub))
    lost: list[Event] = []
    with monkeypatch.context() as patch:
        patch.setattr(Channel, "accept", lambda _, event: lost.append(event))
        await store.apply(run, "log", LOG)
        await until(lambda: lost)
    hub.missed()
    assert (await poll).json()["seq"] == 3


# Submissions


async def test_a_submission_that_waits_is_answered_by_the_end(web: httpx.AsyncClient, store: Store) -> None:
    submission = submitting(web, "wait=30")
    run = await claimed(store)
    await store.apply(run, "completed", {"result": 7})
    response = await submission
    assert response.status_code == 200
    assert (response.json()["status"], response.json()["result"]) == ("completed", 7)
    assert response.headers["location"] == f"/api/jobs/{run.job_id}"
    assert response.headers["preference-applied"] == "wait=30"
    assert "retry-after" not in response.headers


async def test_what_takes_longer_goes_on_asynchronously(web: httpx.AsyncClient, store: Store) -> None:
    """RFC 7240 section 4.3."""
    submission = submitting(web, "respond-async, wait=3")
    run = await claimed(store)
    response = await submission
    assert response.status_code == 202
    assert (response.json()["job_id"], response.json()["status"]) == (run.job_id, "processing")
    assert response.headers["preference-applied"] == "respond-async, wait=3"
    assert response.headers["retry-after"] == "3"


async def test_who_prefers_no_wait_is_told_so(web: httpx.AsyncClient) -> None:
    response = await submitting(web, "respond-async")
    assert (response.status_code, response.headers["preference-applied"]) == (202, "respond-async")


async def test_a_replayed_submission_waits_just_so(web: httpx.AsyncClient, store: Store, hub: Hub) -> None:
    headers = {"Idempotency-Key": '"k"'}
    first = await submitting(web, "", **headers)
    again = submitting(web, "wait=30", **headers)
    await until(lambda: listening(hub))
    await store.apply(await claimed(store), "completed", {})
    response, late = await again, await submitting(web, "wait=30", **headers)
    assert (first.status_code, response.status_code, late.status_code) == (202, 200, 200)
    assert first.json()["job_id"] == response.json()["job_id"]
    assert response.headers["idempotency-replayed"] == late.headers["idempotency-replayed"] == "true"
    assert response.json() == late.json()
    assert (await submitting(web, "wait=0", **headers)).status_code == 202


# What was not asked for, or cannot be had


@pytest.mark.parametrize("prefer", ["wait=0", "wait=soon", "wait", "handling=lenient", "=,;", '"'])
async def test_what_is_no_wait_is_answered_at_once(web: httpx.AsyncClient, store: Store, prefer: str) -> None:
    run = await store.claimed()
    polls = [await asking(web, run.job_id, seq, Prefer=prefer) for seq in (2, None)]
    submission = await submitting(web, prefer)
    assert [response.status_code for response in (*polls, submission)] == [304, 200, 202]
    assert not any("preference-applied" in response.headers for response in (*polls, submission))


async def test_repeated_headers_are_one_list_and_a_minute_is_the_most(web: httpx.AsyncClient, store: Store) -> None:
    run = await store.completed()
    lines = [("Prefer", "handling=strict"), ("Prefer", "WAIT = 900, x"), ("Prefer", "wait=1")]
    response = await web.get(f"/api/jobs/{run.job_id}", headers=lines)
    assert (response.status_code, response.headers["preference-applied"]) == (200, "wait=60")


async def test_an_unknown_job_is_404_without_a_wait(web: httpx.AsyncClient, store: Store) -> None:
    other = await store.submitted(owner="other")
    for job_id in (other.job_id, "a" * 26):
        assert_problem(await asking(web, job_id, 1), 404, "unknown_job")


class TestWithOneStreamPerOwner:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"max_streams_per_owner": 1})

    async def test_who_is_one_too_many_does_not_wait(self, web: httpx.AsyncClient, store: Store, hub: Hub) -> None:
        run = await store.claimed()
        first = asking(web, run.job_id, 2)
        await until(lambda: listening(hub))
        second, submission = await asking(web, run.job_id, 2), await submitting(web, "wait=30, respond-async")
        assert (second.status_code, submission.status_code) == (304, 202)
        assert "preference-applied" not in second.headers
        assert submission.headers["preference-applied"] == "respond-async"
        await store.apply(run, "completed", {})
        assert (await first).status_code == 200


async def test_a_process_that_stops_answers_all_who_wait(web: httpx.AsyncClient, store: Store, hub: Hub) -> None:
    job = await store.submitted()
    waiting = [asking(web, job.job_id, 1), asking(web, job.job_id), submitting(web, "wait=30")]
    await until(lambda: listening(hub) == 3)
    await hub.attendance.drain(0)
    responses = [*await asyncio.gather(*waiting), await asking(web, job.job_id, 1), await submitting(web, "wait=30")]
    assert [response.status_code for response in responses] == [304, 200, 202, 304, 202]
    assert not any("preference-applied" in response.headers for response in responses)


async def test_a_client_that_goes_away_waits_no_more(web: httpx.AsyncClient, store: Store, hub: Hub) -> None:
    job = await store.submitted()
    waiting = [asking(web, job.job_id, 1), asking(web, job.job_id), submitting(web, "wait=30")]
    await until(lambda: listening(hub) == 3)
    for task in waiting:
        task.cancel()
    await until(lambda: not hub._channels and not hub.attendance._per_owner)
    assert (await web.get(f"/api/jobs/{job.job_id}")).status_code == 200


async def test_if_redis_is_away_after_the_wait_a_poll_says_so_and_a_submission_stays_accepted(
    web: httpx.AsyncClient, store: Store, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any, **__: Any) -> None:
        raise Unavailable

    run = await store.claimed()
    poll, submission = asking(web, run.job_id, 2), submitting(web, "wait=30")
    await until(lambda: listening(hub) == 2)
    own = await claimed(store)
    monkeypatch.setattr(JobStore, "read", away)
    await store.apply(run, "completed", {})
    await store.apply(own, "completed", {})
    assert_problem(await poll, 503, "unavailable")
    response = await submission
    assert (response.status_code, response.json()["status"]) == (202, "pending")
    assert response.json()["job_id"] == own.job_id
    assert "preference-applied" not in response.headers


async def test_a_job_that_vanishes_meanwhile_is_unknown(web: httpx.AsyncClient, store: Store, hub: Hub) -> None:
    job = await store.submitted()
    poll = asking(web, job.job_id, 1)
    await until(lambda: listening(hub))
    await store.redis.flushall()
    hub.missed()
    assert_problem(await poll, 404, "unknown_job")


async def test_many_who_wait_for_one_job_cost_one_subscription_and_few_reads(
    address: str, store: Store, hub: Hub
) -> None:
    run = await store.claimed()
    limits = httpx.Limits(max_connections=WAITERS)
    async with httpx.AsyncClient(base_url=address, trust_env=False, verify=False, limits=limits) as web:
        polls = [asking(web, run.job_id, 2) for _ in range(WAITERS)]
        await until(lambda: listening(hub) == WAITERS)
        assert await store.redis.pubsub_numsub(job_channel(run.job_id)) == [(job_channel(run.job_id).encode(), 1)]
        before = await reads(store)
        await store.apply(run, "completed", {})
        responses = await asyncio.gather(*polls)
        assert {(response.status_code, response.headers["etag"]) for response in responses} == {(200, '"3"')}
        assert await reads(store) - before < WAITERS / 10
    await until(lambda: not hub._channels)


async def reads(store: Store) -> int:
    """How often a job's record has been read."""
    count: int = (await store.redis.info("commandstats"))["cmdstat_hgetall"]["calls"]
    return count
