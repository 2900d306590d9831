"""The worker on its way through a job's life: waking, claiming, holding, stopping. Leases have `test_leases.py`."""

import asyncio
import os
import pickle
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from app.errors import Unavailable
from app.jobs import Status
from app.queue import encode
from app.store import Claims, JobStore, KindStore, Nudges
from app.store.jobs import worker_channel
from app.store.nudges import nudge_key
from tests import chores
from tests.ground import accepted
from tests.watching import until
from tests.working import FAR, begun, history, job_of, reached, sooner_or_later, working
from workers import worker as worker_module
from workers.worker import JobWorker


@pytest.fixture
def no_fallback(monkeypatch: pytest.MonkeyPatch) -> None:
    """What starts in time was not started by the poll."""
    monkeypatch.setattr(worker_module, "FALLBACK_SECONDS", FAR)


@pytest.fixture
def no_nudge(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if each got lost."""

    async def wait(self: Nudges, queues: Sequence[str], seconds: float) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(Nudges, "wait", wait)


async def listening(redis: Redis) -> None:
    """Returns when some worker waits for nudges."""

    async def blocked() -> bool:
        return bool((await redis.info("clients"))["blocked_clients"])

    await sooner_or_later(blocked)


async def announced(redis: Redis) -> None:
    """Returns when the chores are known."""

    async def known() -> bool:
        return "chore" in await KindStore(redis).known()

    await sooner_or_later(known)


@pytest.mark.usefixtures("no_fallback")
async def test_an_idle_worker_is_woken_by_the_submission(
    redis: Redis, redis_url: str, jobs: JobStore, tmp_path: Path
) -> None:
    async with working(redis_url, tmp_path):
        await listening(redis)
        for _ in range(3):
            await reached(jobs, await accepted(jobs, kind="chore"), Status.COMPLETED)


@pytest.mark.usefixtures("no_nudge")
async def test_a_nudge_that_got_lost_is_made_up_for_by_the_poll(redis_url: str, jobs: JobStore, tmp_path: Path) -> None:
    async with working(redis_url, tmp_path):
        await reached(jobs, await accepted(jobs, kind="chore"), Status.COMPLETED)


@pytest.mark.usefixtures("no_fallback", "no_nudge")
async def test_a_job_that_ends_makes_room_for_the_next_at_once(redis_url: str, jobs: JobStore, tmp_path: Path) -> None:
    ids = [await accepted(jobs, kind="chore") for _ in range(5)]
    async with working(redis_url, tmp_path, concurrency=1):
        for job_id in ids:
            await reached(jobs, job_id, Status.COMPLETED)


@pytest.mark.usefixtures("no_fallback")
async def test_a_delayed_job_starts_when_it_is_due(redis_url: str, jobs: JobStore, tmp_path: Path) -> None:
    async with working(redis_url, tmp_path):
        job_id = await accepted(jobs, kind="chore", delay_ms=100)
        job = await reached(jobs, job_id, Status.COMPLETED)
    assert job.started_at
    assert job.started_at >= job.created_at + 100


@pytest.mark.usefixtures("no_fallback")
async def test_a_worker_that_has_become_full_passes_the_nudge_on(
    redis: Redis, redis_url: str, jobs: JobStore, tmp_path: Path
) -> None:
    async with working(redis_url, tmp_path, concurrency=1):
        await listening(redis)
        await begun(jobs, delay_ms=50)  # its nudge has come and gone when it is due: now full, and still listening
        waiting = await accepted(jobs, kind="chore")

        async def passed_on() -> bool:
            return bool(await redis.pttl(nudge_key("default")) > 0)

        await sooner_or_later(passed_on)
        async with working(redis_url, tmp_path):
            await reached(jobs, waiting, Status.COMPLETED)


async def test_the_most_urgent_queue_goes_first_and_the_last_gets_its_share(
    redis_url: str, jobs: JobStore, tmp_path: Path
) -> None:
    for queue in 12 * ["low"] + 12 * ["high"]:
        await accepted(jobs, kind="chore", queue=queue, params=f'{{"name":"{queue}"}}')
    chores.DONE.clear()
    async with working(redis_url, tmp_path, concurrency=1, queues=("high", "low")):
        await until(lambda: len(chores.DONE) == 24)
    assert chores.DONE == 7 * ["high"] + ["low"] + 5 * ["high"] + 11 * ["low"]


async def test_no_more_jobs_run_at_once_than_there_are_slots(redis_url: str, jobs: JobStore, tmp_path: Path) -> None:
    async with working(redis_url, tmp_path, concurrency=2) as worker:
        first, second = [await begun(jobs, worker) for _ in range(2)]
        third = await accepted(jobs, kind="endless")
        await jobs.cancel(first, "test")
        await reached(jobs, third, Status.PROCESSING)
        assert (await job_of(jobs, second)).status is Status.PROCESSING
        await until(lambda: worker.job_counter == 2)


async def test_its_kinds_are_announced(redis: Redis, redis_url: str, tmp_path: Path) -> None:
    async with working(redis_url, tmp_path):
        await announced(redis)


async def test_a_kind_it_does_not_know_is_left_to_another_worker(
    redis: Redis, redis_url: str, jobs: JobStore, tmp_path: Path
) -> None:
    async with working(redis_url, tmp_path):
        await announced(redis)
    async with working(redis_url, tmp_path, handlers=()):
        job_ids = [await accepted(jobs, kind="chore") for _ in range(3)]
        async with working(redis_url, tmp_path):
            for job_id in job_ids:
                await reached(jobs, job_id, Status.COMPLETED)


async def test_a_cancel_reaches_the_run_through_pubsub(
    redis: Redis, redis_url: str, jobs: JobStore, tmp_path: Path
) -> None:
    async with working(redis_url, tmp_path, lease_seconds=FAR) as worker:
        await sooner_or_later(lambda: redis.publish(worker_channel(worker.worker_id), "subscribed?"))
        job_id = await begun(jobs, worker)
        await jobs.cancel(job_id, "test")
        await reached(jobs, job_id, Status.CANCELLED)


async def test_a_cancel_whose_message_got_lost_comes_with_the_heartbeat(
    redis_url: str, jobs: JobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "worker_channel", lambda worker: "elsewhere")
    async with working(redis_url, tmp_path, lease_seconds=0.6) as worker:
        job_id = await begun(jobs, worker)
        await jobs.cancel(job_id, "test")
        await reached(jobs, job_id, Status.CANCELLED)


class Overtaken(JobStore):
    """Whatever is claimed is cancelled before the claim's answer arrives."""

    async def claim(self, *arguments: Any, **options: Any) -> Claims:
        claims = await super().claim(*arguments, **options)
        for run in claims.runs:
            await self.cancel(run.job_id, "test")
            await asyncio.sleep(0.02)
        return claims


async def test_a_cancel_that_overtakes_the_claim_is_not_missed(redis_url: str, jobs: JobStore, tmp_path: Path) -> None:
    async with working(redis_url, tmp_path, store=Overtaken):
        await reached(jobs, await accepted(jobs, kind="endless"), Status.CANCELLED)


class Evil:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def call(**changes: Any) -> bytes:
    return encode({"t": None, "f": "run", "a": ["someone"], "k": {}, "et": 0} | changes)


@pytest.mark.parametrize(
    "poison",
    [
        pytest.param(None, id="nothing"),
        pytest.param(b"garbage", id="garbage"),
        pytest.param(b"[]", id="no object"),
        pytest.param(call(f="no_such"), id="unknown function"),
        pytest.param(call(f=[]), id="no function's name"),
        pytest.param(call(), id="another's job id"),
        pytest.param(call(a=[]), id="no argument"),
        pytest.param(call(a=5), id="no arguments"),
        pytest.param(call(k={"ctx": 1}), id="an argument twice"),
        pytest.param(call(t="x"), id="tries are no number"),
        pytest.param(call(t=2**40), id="too many tries"),
        pytest.param(call(et="x"), id="time is no number"),
    ],
)
async def test_a_queue_entry_that_makes_no_sense_ends_the_job(
    redis: Redis, redis_url: str, jobs: JobStore, tmp_path: Path, poison: bytes | None
) -> None:
    job_id = await accepted(jobs, kind="chore")
    await redis.delete(f"arq:job:{job_id}")
    if poison is not None:
        await redis.set(f"arq:job:{job_id}", poison)
    async with working(redis_url, tmp_path) as worker:
        job = await reached(jobs, job_id, Status.FAILED)
        assert job.error
        assert job.error["code"] == "rejected"
        await reached(jobs, await accepted(jobs, kind="chore"), Status.COMPLETED)
        await until(lambda: worker.job_counter == 0)
    assert job.attempt == 1


async def test_a_pickle_is_not_executed(redis: Redis, redis_url: str, jobs: JobStore, tmp_path: Path) -> None:
    job_id = await accepted(jobs, kind="chore")
    await redis.set(f"arq:job:{job_id}", pickle.dumps(Evil(tmp_path / "executed")))
    async with working(redis_url, tmp_path):
        await reached(jobs, job_id, Status.FAILED)
    assert not (tmp_path / "executed").exists()


async def test_a_queue_entry_of_the_wrong_type_ends_the_job(
    redis: Redis, redis_url: str, jobs: JobStore, tmp_path: Path
) -> None:
    job_id = await accepted(jobs, kind="chore")
    await redis.delete(f"arq:job:{job_id}")
    await redis.zadd(f"arq:job:{job_id}", {"x": 1})
    async with working(redis_url, tmp_path):
        await reached(jobs, job_id, Status.FAILED)


async def test_what_is_published_on_its_channel_may_be_anything(
    redis: Redis, redis_url: str, jobs: JobStore, tmp_path: Path
) -> None:
    async with working(redis_url, tmp_path) as worker:
        await sooner_or_later(lambda: redis.publish(worker_channel(worker.worker_id), b"\xff"))
        await reached(jobs, await accepted(jobs, kind="chore"), Status.COMPLETED)


async def test_nothing_of_arqs_is_left_when_a_job_has_ended(
    redis: Redis, redis_url: str, jobs: JobStore, tmp_path: Path
) -> None:
    async with working(redis_url, tmp_path):
        await reached(jobs, await accepted(jobs, kind="chore"), Status.COMPLETED)
    assert await redis.keys("arq:*") == []


async def test_an_idle_worker_leaves_redis_alone(redis: Redis, redis_url: str, jobs: JobStore, tmp_path: Path) -> None:
    async with working(redis_url, tmp_path):
        await reached(jobs, await accepted(jobs, kind="chore"), Status.COMPLETED)
        await listening(redis)
        before = (await redis.info("stats"))["total_commands_processed"]
        await redis.bzpopmin("nothing", 1)  # a second by Redis's clock
        after = (await redis.info("stats"))["total_commands_processed"]
    assert after - before < 40  # each command of a script counts


async def test_a_worker_id_is_harmless_wherever_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "naïve host's name, " * 10)
    ids = {worker_module.new_worker_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(re.fullmatch(r"[A-Za-z0-9._-]{1,60}", worker_id) for worker_id in ids)


async def test_what_a_claim_brings_after_the_stop_goes_back_at_once(
    redis_url: str, jobs: JobStore, tmp_path: Path
) -> None:
    workers: list[JobWorker] = []

    class StoppedMeanwhile(JobStore):
        async def claim(self, *arguments: Any, **options: Any) -> Claims:
            claims = await super().claim(*arguments, **options)
            if claims.runs:
                workers[0].stop(FAR)
            return claims

    async with working(redis_url, tmp_path, store=StoppedMeanwhile) as worker:
        workers.append(worker)
        job_id = await accepted(jobs, kind="chore")

        async def given_back() -> bool:
            return (await history(jobs, job_id))[-1] == ("pending", "interrupted")

        await sooner_or_later(given_back)
    assert (await job_of(jobs, job_id)).attempt == 0


async def test_what_the_last_claim_brought_goes_back_though_its_answer_got_lost(
    redis_url: str, jobs: JobStore, tmp_path: Path
) -> None:
    workers: list[JobWorker] = []

    class Unheard(JobStore):
        async def claim(self, *arguments: Any, **options: Any) -> Claims:
            claims = await super().claim(*arguments, **options)
            if claims.runs and workers:
                workers.pop().stop(FAR)
                raise Unavailable
            return claims

    async with working(redis_url, tmp_path, store=Unheard) as worker:
        workers.append(worker)
        job_id = await accepted(jobs, kind="chore", max_attempts=1)

        async def given_back() -> bool:
            return (await history(jobs, job_id))[-1] == ("pending", "interrupted")

        await sooner_or_later(given_back)
    assert (await job_of(jobs, job_id)).attempt == 0


async def test_a_job_does_not_fail_because_redis_takes_no_writes_for_a_while(
    redis: Redis, redis_url: str, jobs: JobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers all the while: a PING tells nothing of that."""
    tries: list[str] = []
    begin = JobWorker.run_job

    async def tried(self: JobWorker, job_id: str, score: int) -> None:
        tries.append(job_id)
        if len(tries) == 1:
            await redis.config_set("min-replicas-to-write", 1)
        await begin(self, job_id, score)

    monkeypatch.setattr(JobWorker, "run_job", tried)
    try:
        async with working(redis_url, tmp_path):
            job_id = await accepted(jobs, kind="chore", max_attempts=1)
            await until(lambda: len(tries) == 5)
            await redis.config_set("min-replicas-to-write", 0)
            await reached(jobs, job_id, Status.COMPLETED)
    finally:
        await redis.config_set("min-replicas-to-write", 0)
