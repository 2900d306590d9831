"""What time it is: Redis says so, whatever the hosts believe. And how times are shown."""

import ast
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from app.clock import moment_ms, rfc3339
from app.jobs import Status
from app.store import JobStore, Kind, KindStore
from app.store.clock import redis_now_ms
from tests.ground import accepted, claimed, completed, running
from tests.test_rooms import modules
from tests.working import job_of

WALL_CLOCKS = {
    *(f"time.{name}" for name in ("time", "time_ns", "localtime", "gmtime", "ctime")),
    *(f"datetime.datetime.{name}" for name in ("now", "utcnow", "today")),
    "datetime.date.today",
    "arq.utils.timestamp_ms",
}

EXPIRY = "credentials end by the clock of who made them, not by the store's"
ALLOWED = {
    "app.cli.table": "how long a job has been running, for people to see",
    "app.auth.authenticator": EXPIRY,
    "app.auth.tokens": EXPIRY,
    "app.hub.visits": EXPIRY,
    "app.web.tokens": EXPIRY,
    "workers.worker": "what arq asks for, for a log line of its own",
}

WEEK_MS = 7 * 86_400_000
A_KIND = Kind("k", "", {"type": "object"}, "default", 1, 1)


def full_names(path: Path) -> Iterator[str]:
    """Of what a module uses from others, as far as its imports tell."""
    tree, known = ast.parse(path.read_text()), dict[str, str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            known |= {alias.asname or alias.name: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            known |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute):
            first, dot, rest = ast.unparse(node).partition(".")
            yield known.get(first, first) + dot + rest


def test_no_module_asks_the_host_what_time_it_is() -> None:
    asking = {name for name, path in modules("app", "workers") if WALL_CLOCKS & set(full_names(path))}
    assert asking == set(ALLOWED)


@pytest.fixture
def _a_day_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    then = time.time() + 86_400
    monkeypatch.setattr(time, "time", lambda: then)
    monkeypatch.setattr(time, "time_ns", lambda: int(then * 1e9))


@pytest.mark.usefixtures("_a_day_ahead")
async def test_a_job_is_told_with_the_time_on_the_stores_clock(jobs: JobStore, redis: Redis) -> None:
    before = await redis_now_ms(redis)
    job = await job_of(jobs, await accepted(jobs))
    assert before <= job.created_at <= job.as_of <= await redis_now_ms(redis)
    assert job.retry_after() == 3


@pytest.mark.usefixtures("_a_day_ahead")
async def test_a_result_expires_by_the_stores_clock(jobs: JobStore) -> None:
    run = await running(jobs, result_ttl_ms=60_000)
    await jobs.apply(run.job_id, [completed()], token=run.token)
    assert not (await job_of(jobs, run.job_id)).expired
    run = await running(jobs, result_ttl_ms=1)
    await jobs.apply(run.job_id, [completed()], token=run.token)
    while not (await job_of(jobs, run.job_id)).expired:
        pass


@pytest.mark.usefixtures("_a_day_ahead")
async def test_leases_count_on_the_stores_clock(jobs: JobStore) -> None:
    job_id = await accepted(jobs)
    await claimed(jobs, lease_ms=60_000)
    assert await jobs.settle_overdue() == 0
    assert (await job_of(jobs, job_id)).status is Status.PROCESSING


async def test_a_kind_is_forgotten_a_week_after_its_last_worker(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = KindStore(redis)
    await kinds.announce([A_KIND])
    now = await redis_now_ms(redis)
    monkeypatch.setattr("app.store.kinds.in_ms", lambda _: now + WEEK_MS - 1_000)
    assert await kinds.known() == {"k": A_KIND}
    monkeypatch.setattr("app.store.kinds.in_ms", lambda _: now + WEEK_MS + 1_000)
    assert await kinds.known() == {}
    await kinds.announce([])
    assert not await redis.exists("tidings:kinds")


def test_times_are_shown_in_utc_with_milliseconds() -> None:
    assert rfc3339(1_764_000_000_120) == "2025-11-24T16:00:00.120Z"


@pytest.mark.parametrize("ms", [0, 1, 2_097_673_510, 2_197_214_604_654, 4_398_038_957_690])
def test_a_moment_is_read_to_the_millisecond(ms: int) -> None:
    assert moment_ms(rfc3339(ms)) == moment_ms(ms / 1_000) == ms
