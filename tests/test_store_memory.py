"""What a finished job may cost, so that a million of them fit where they must. `benchmarks/memory.py` measures it."""

from redis.asyncio import Redis

from app.store import JobStore
from benchmarks.memory import PARAMS, RUN, bytes_per_finished_job
from tests.ground import claimed, running

BUDGET_BYTES = 3_000
LONGEST_TAGS = tuple(f"{n}" * 64 for n in range(10))


async def test_a_finished_job_stays_well_within_three_kilobytes(redis: Redis) -> None:
    assert await bytes_per_finished_job(redis, 500) < 0.9 * BUDGET_BYTES


async def test_a_record_stays_compact_to_its_end_whatever_it_went_through(jobs: JobStore, redis: Redis) -> None:
    run = await running(jobs, params=PARAMS, tags=LONGEST_TAGS, start_within_ms=60_000)
    await redis.zadd("tidings:deadlines", {run.job_id: 1})
    await jobs.settle_overdue()
    run = await claimed(jobs, f"{'h' * 40}-4194304-{'0' * 6}")
    await jobs.cancel(run.job_id, "default")
    await jobs.apply(run.job_id, RUN, token=run.token)
    assert await redis.object("ENCODING", f"tidings:{{{run.job_id}}}:job") == b"listpack"


async def test_an_end_leaves_nothing_of_the_run_in_the_record(jobs: JobStore, redis: Redis) -> None:
    run = await running(jobs, start_within_ms=60_000)
    await jobs.apply(run.job_id, RUN, token=run.token)
    fields = {name.decode() for name in await redis.hkeys(f"tidings:{{{run.job_id}}}:job")}  # type: ignore[misc]  # redis-py's own types
    assert not fields & {"token", "worker", "due", "waiting", "start_by"}
