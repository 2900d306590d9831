"""What can be done to a job: run it again, hold it back, let it go, forget it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.errors import StaleRun
from app.jobs import Job, Status
from app.main import create_app
from app.settings import Settings
from app.store import JobStore, Listing, Retention, Run, UnfinishedStore, UploadStore
from tests.still_store import Clock, standing
from tests.web.conftest import ANYTHING, TRANSCODE, Store, assert_problem, served
from tests.web.test_sse import blocks, stream, whole
from tests.working import reached, working
from workers.sweeper import Sweeper

COMMANDS = ("retry", "suspend", "resume", "cancel")


@pytest.fixture(autouse=True)
def _standing() -> Iterator[None]:
    with standing():
        yield


@pytest.fixture
async def address(settings: Settings, clock: Clock, store: Store) -> AsyncIterator[str]:
    """Its jobs go by a clock that stands."""
    await store.kinds.announce([TRANSCODE, ANYTHING])
    async with served(create_app(settings)) as url:
        yield url


async def failed(store: Store, **fields: Any) -> Run:
    run = await store.claimed(**fields)
    await store.apply(run, "failed", {"error": {"code": "handler_error", "message": "no"}})
    return run


async def commanded(web: httpx.AsyncClient, job_id: str, command: str, **body: Any) -> httpx.Response:
    return await web.post(f"/api/jobs/{job_id}/{command}", json=body or None)


async def job_of(store: Store, job_id: str) -> Job:
    (job,) = await store.jobs.read_many([job_id])
    return job


async def claim(store: Store) -> list[str]:
    claims = await store.jobs.claim("w2", ["default"], 9, lease_ms=60_000, kinds=["anything"])
    return [run.job_id for run in claims.runs]


@pytest.mark.parametrize("command", COMMANDS)
async def test_a_job_that_is_foreign_or_unknown_is_not_found_and_left_alone(
    web: httpx.AsyncClient, store: Store, command: str
) -> None:
    foreign = await store.submitted(owner="other")
    for job_id in (foreign.job_id, "a" * 26, "x"):
        assert_problem(await commanded(web, job_id, command), 404, "unknown_job")
    assert_problem(await web.delete(f"/api/jobs/{foreign.job_id}"), 404, "unknown_job")
    assert (await job_of(store, foreign.job_id)).seq == 1


# Retry


async def test_a_failed_job_is_run_again_with_all_its_attempts(web: httpx.AsyncClient, store: Store) -> None:
    run = await failed(store)
    response = await commanded(web, run.job_id, "retry")
    shown = response.json()
    assert (response.status_code, response.headers["retry-after"]) == (202, "3")
    assert (shown["status"], shown["attempt"], shown["max_attempts"], shown["seq"]) == ("pending", 0, 3, 4)
    assert {shown[name] for name in ("error", "started_at", "finished_at", "expires_at")} == {None}
    assert await claim(store) == [run.job_id]
    assert (await job_of(store, run.job_id)).attempt == 1


async def test_a_cancelled_job_is_run_again_and_can_be_cancelled_again(web: httpx.AsyncClient, store: Store) -> None:
    run = await store.claimed()
    await commanded(web, run.job_id, "cancel")
    await store.apply(run, "cancelled", {})
    assert (await commanded(web, run.job_id, "retry")).json()["cancel_requested_at"] is None
    assert (await commanded(web, run.job_id, "cancel")).json()["status"] == "cancelled"


async def test_the_log_goes_on_and_who_has_seen_the_old_end_is_sent_what_follows(
    web: httpx.AsyncClient, store: Store
) -> None:
    run = await failed(store)
    path = f"/api/jobs/{run.job_id}/events"
    async with stream(web, path, **{"Last-Event-ID": "3"}) as response:
        assert response.status_code == 204
    await commanded(web, run.job_id, "retry")
    async with stream(web, path, **{"Last-Event-ID": "3"}) as response:
        reading = blocks(response)
        await anext(reading)
        first = await anext(reading)
        assert (first.type, first.id) == ("pending", "4")
        assert first.event["data"] == {"reason": "retry", "by": "default"}
        await claim(store)
        assert (await anext(reading)).id == "5"
    log = (await web.get(path, headers={"Accept": "application/json"})).json()
    assert [event["type"] for event in log["events"]] == ["pending", "processing", "failed", "pending", "processing"]


@pytest.mark.parametrize("status", ["pending", "processing", "completed"])
async def test_only_what_failed_or_was_cancelled_is_run_again(
    web: httpx.AsyncClient, store: Store, status: str
) -> None:
    made: dict[str, Callable[[], Awaitable[Job | Run]]]
    made = {"pending": store.submitted, "processing": store.claimed, "completed": store.completed}
    job_id = (await made[status]()).job_id
    before = (await job_of(store, job_id)).seq
    problem = assert_problem(await commanded(web, job_id, "retry"), 409, "not_retryable")
    assert problem["job_id"] == job_id
    assert (await job_of(store, job_id)).seq == before


async def test_whose_retention_is_over_is_not_run_again(web: httpx.AsyncClient, store: Store, clock: Clock) -> None:
    run = await failed(store, result_ttl_ms=60_000)
    await clock.move(60_000)
    assert_problem(await commanded(web, run.job_id, "retry"), 410, "result_expired")
    assert (await job_of(store, run.job_id)).status is Status.FAILED


async def test_a_job_that_is_run_again_expires_no_more(web: httpx.AsyncClient, store: Store, clock: Clock) -> None:
    run = await failed(store, result_ttl_ms=60_000)
    await commanded(web, run.job_id, "retry")
    await clock.move(30 * 86_400_000)
    assert (await job_of(store, run.job_id)).status is Status.PENDING
    assert await store.redis.ttl(f"tidings:{{{run.job_id}}}:params") == -1


async def test_two_who_run_it_again_at_once_run_it_once(web: httpx.AsyncClient, store: Store) -> None:
    run = await failed(store)
    answers = await asyncio.gather(*(commanded(web, run.job_id, "retry") for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [202, 409, 409, 409, 409]


async def test_a_full_queue_takes_no_job_back(settings: Settings, clock: Clock, store: Store) -> None:
    run = await failed(store)
    await store.submitted()
    full = settings.model_copy(update={"max_waiting_per_owner": 1})
    async with served(create_app(full)) as url, httpx.AsyncClient(base_url=url, trust_env=False) as web:
        response = await commanded(web, run.job_id, "retry")
    assert (response.status_code, response.json()["code"], response.headers["retry-after"]) == (429, "queue_full", "15")


async def test_a_worker_of_the_old_series_writes_nothing_into_the_new_one(web: httpx.AsyncClient, store: Store) -> None:
    old = await failed(store)
    await commanded(web, old.job_id, "retry")
    claims = await store.jobs.claim("w2", ["default"], 1, lease_ms=60_000, kinds=["anything"])
    new = claims.runs[0]
    assert (new.attempt, new.token == old.token, new.number == old.number) == (old.attempt, False, False)
    source = store.data_dir / "source"
    source.parent.mkdir(exist_ok=True)
    for run, content in ((new, b"new"), (old, b"old")):
        source.write_bytes(content)
        artifact = store.files.save(run.job_id, run.number, "a.txt", source)
        if run is new:
            kept = artifact
    assert store.files.artifact(kept.key).read_bytes() == b"new"
    with pytest.raises(StaleRun):
        await store.apply(old, "artifact", {"name": "a.txt"}, '{"name":"a.txt"}')
    with pytest.raises(StaleRun):
        await store.apply(old, "completed", {})


async def test_a_real_worker_brings_it_to_its_end(
    web: httpx.AsyncClient, store: Store, redis_url: str, tmp_path: Path
) -> None:
    job = await store.submitted(kind="chore")
    claims = await store.jobs.claim("w1", ["default"], 1, lease_ms=60_000, kinds=["chore"])
    await store.apply(claims.runs[0], "failed", {"error": {"code": "handler_error", "message": "no"}})
    async with working(redis_url, tmp_path):
        assert (await commanded(web, job.job_id, "retry")).status_code == 202
        ended = await reached(store.jobs, job.job_id, Status.COMPLETED)
    assert (ended.attempt, ended.seq) == (1, 6)


# Suspend and resume


async def test_a_suspended_job_does_not_start_until_it_is_resumed(web: httpx.AsyncClient, store: Store) -> None:
    job = await store.submitted()
    response = await commanded(web, job.job_id, "suspend")
    shown = response.json()
    assert (response.status_code, shown["status"], shown["position"]) == (200, "pending", None)
    assert shown["suspended_at"]
    assert await claim(store) == []
    response = await commanded(web, job.job_id, "resume")
    assert (response.status_code, response.json()["suspended_at"], response.json()["position"]) == (200, None, 0)
    assert await claim(store) == [job.job_id]


async def test_repeats_change_nothing(web: httpx.AsyncClient, store: Store) -> None:
    job = await store.submitted()
    for command, seq in [("resume", 1), ("suspend", 2), ("suspend", 2), ("resume", 3), ("resume", 3)]:
        response = await commanded(web, job.job_id, command)
        assert (response.status_code, response.json()["seq"]) == (200, seq)


async def test_time_resumes_it(web: httpx.AsyncClient, store: Store, clock: Clock) -> None:
    job = await store.submitted()
    await commanded(web, job.job_id, "suspend", seconds=90)
    await clock.move(89_999)
    assert await claim(store) == []
    await clock.move(1)
    assert await claim(store) == [job.job_id]
    view = await store.jobs.read(job.job_id, after=1)
    assert view
    assert [(event.type, event.parsed().get("by")) for event in view.events] == [
        ("suspended", "default"),
        ("resumed", "time"),
        ("processing", None),
    ]


@pytest.mark.parametrize("suspended_ms", [10_000, 90_000])
async def test_a_delayed_job_keeps_its_time(
    web: httpx.AsyncClient, store: Store, clock: Clock, suspended_ms: int
) -> None:
    job = await store.submitted(delay_ms=60_000)
    await commanded(web, job.job_id, "suspend")
    await clock.move(suspended_ms)
    assert await claim(store) == []
    assert (await commanded(web, job.job_id, "resume")).json()["retry_at"] == job.shown()["retry_at"]
    assert await claim(store) == ([job.job_id] if suspended_ms > 60_000 else [])
    await clock.move(60_000)
    assert await claim(store) == ([] if suspended_ms > 60_000 else [job.job_id])


async def test_a_job_that_does_not_start_in_time_ends_though_it_is_suspended(
    web: httpx.AsyncClient, store: Store, clock: Clock
) -> None:
    job = await store.submitted(start_within_ms=2_000)
    await store.jobs.settle_overdue()
    await commanded(web, job.job_id, "suspend")
    await clock.move(2_000)
    await store.jobs.settle_overdue()
    ended = await job_of(store, job.job_id)
    assert ended.error
    assert (ended.status, ended.error["code"], ended.suspended_at) == ("failed", "expired", None)


async def test_a_suspended_job_is_cancelled_at_once(web: httpx.AsyncClient, store: Store) -> None:
    job = await store.submitted()
    await commanded(web, job.job_id, "suspend")
    assert (await commanded(web, job.job_id, "cancel")).json()["status"] == "cancelled"


@pytest.mark.parametrize("command", ["suspend", "resume"])
@pytest.mark.parametrize("status", ["processing", "completed", "failed"])
async def test_only_a_pending_job_can_be_held_back(
    web: httpx.AsyncClient, store: Store, status: str, command: str
) -> None:
    run = await store.claimed()
    if status != "processing":
        await store.apply(run, status, {"error": {}} if status == "failed" else {})
    assert_problem(await commanded(web, run.job_id, command), 409, "not_suspendable")


@pytest.mark.parametrize("body", [{"seconds": 0}, {"seconds": "5"}, {"seconds": -1}, {"until": 5}])
async def test_a_bad_suspension_is_refused_and_the_job_goes_on(
    web: httpx.AsyncClient, store: Store, body: dict[str, Any]
) -> None:
    job = await store.submitted()
    assert_problem(await commanded(web, job.job_id, "suspend", **body), 400, "invalid_request")
    assert (await job_of(store, job.job_id)).seq == 1


async def test_a_suspension_lasts_at_most_the_longest_delay(settings: Settings, clock: Clock, store: Store) -> None:
    job = await store.submitted()
    short = settings.model_copy(update={"max_delay_seconds": 60})
    async with served(create_app(short)) as url, httpx.AsyncClient(base_url=url, trust_env=False) as web:
        await commanded(web, job.job_id, "suspend", seconds=1e12)
    await clock.move(60_000)
    assert await claim(store) == [job.job_id]


# Delete


async def test_deleting_what_has_not_ended_cancels_it(web: httpx.AsyncClient, store: Store) -> None:
    pending, run = await store.submitted(), await store.claimed()
    assert pending.job_id != run.job_id
    response = await web.delete(f"/api/jobs/{run.job_id}")
    assert (response.status_code, response.json()["status"]) == (202, "processing")
    assert response.json()["cancel_requested_at"]
    waiting = await store.submitted()
    response = await web.delete(f"/api/jobs/{waiting.job_id}")
    assert (response.status_code, response.json()["status"]) == (200, "cancelled")


async def test_deleting_what_has_ended_forgets_it_with_its_files(web: httpx.AsyncClient, store: Store) -> None:
    run = await store.claimed()
    await store.save(run, "a.txt", b"text")
    await store.apply(run, "completed", {"result": 1}, '{"large":1}')
    folder = store.files.artifact(run.job_id)
    assert folder.exists()

    response = await web.delete(f"/api/jobs/{run.job_id}")
    assert (response.status_code, response.json()["status"]) == (200, "completed")

    for path in ("", "/events", "/result", "/artifacts/a.txt"):
        response = await web.get(f"/api/jobs/{run.job_id}{path}")
        assert_problem(response, 404, "unknown_job")
    assert_problem(await web.delete(f"/api/jobs/{run.job_id}"), 404, "unknown_job")
    assert (await web.get("/api/jobs")).json()["jobs"] == []
    left = await store.redis.keys(f"*{run.job_id}*")
    assert [key for key in left if b":polls:" not in key] == []

    jobs = JobStore(store.redis)
    uploads, unfinished = UploadStore(store.redis, 60), UnfinishedStore(store.redis, 60, 100, 1 << 30)
    sweeper = Sweeper(uploads, unfinished, Retention(store.redis), Listing(store.redis, jobs), store.files)
    await sweeper.sweep()
    assert not folder.exists()
    assert not await store.redis.exists("tidings:expiring")


async def test_a_feed_goes_on_when_a_job_of_it_is_forgotten(web: httpx.AsyncClient, store: Store) -> None:
    run, active = await store.completed(), await store.submitted()
    async with stream(web, "/api/events") as response:
        reading = blocks(response)
        assert (await anext(reading)).fields == {"retry": "3000"}
        assert (await anext(reading)).event["job_id"] == active.job_id
        await web.delete(f"/api/jobs/{run.job_id}")
        other = await store.submitted()
        assert (await anext(reading)).event["job_id"] == other.job_id


async def test_a_stream_that_saw_the_end_is_over_before_its_job_is_forgotten(
    web: httpx.AsyncClient, store: Store
) -> None:
    run = await store.claimed()
    reading = asyncio.create_task(whole(web, f"/api/jobs/{run.job_id}/events"))
    await store.apply(run, "completed", {})
    assert (await reading)[-1].event["data"].get("status", "completed") == "completed"
    await web.delete(f"/api/jobs/{run.job_id}")
    async with stream(web, f"/api/jobs/{run.job_id}/events", **{"Last-Event-ID": "3"}) as response:
        assert response.status_code == 404


async def test_what_is_run_again_at_the_moment_it_is_deleted_is_cancelled(
    web: httpx.AsyncClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await failed(store)
    purge = JobStore.purge

    async def too_late(jobs: JobStore, job_id: str) -> bool:
        await jobs.retry(job_id, "default")
        return await purge(jobs, job_id)

    monkeypatch.setattr(JobStore, "purge", too_late)
    response = await web.delete(f"/api/jobs/{run.job_id}")
    assert (response.status_code, response.json()["status"]) == (200, "cancelled")
