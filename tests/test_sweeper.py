"""What is deleted when it has expired, and what is not."""

import asyncio
import os
import time
from pathlib import Path

import pytest
from redis.asyncio import Redis

from app.artifacts import FileStore
from app.errors import Unavailable
from app.events import json_text
from app.jobs import new_job_id
from app.store import Change, JobStore, Listing, Retention, Unfinished, UnfinishedStore, Upload, UploadStore, listing
from app.store.retention import BY_EXPIRY
from app.store.uploads import BY_EXPIRY as UPLOADS_BY_EXPIRY
from app.store.uploads import new_upload_id
from tests.gateway import STORES, Gateway, files_of, store_settings
from tests.ground import OWNER, accepted, completed, running
from workers import sweeper as sweeper_module
from workers.sweeper import ABANDONED_SECONDS, Sweeper

AN_HOUR = 3_600_000


@pytest.fixture(params=STORES)
def files(tmp_path: Path, request: pytest.FixtureRequest) -> FileStore:
    store = files_of(tmp_path, **store_settings(request))
    store.prepare()
    return store


@pytest.fixture
def uploads(redis: Redis) -> UploadStore:
    return UploadStore(redis, 60)


@pytest.fixture
def sweeper(redis: Redis, files: FileStore) -> Sweeper:
    return sweeper_of(redis, files)


def sweeper_of(redis: Redis, files: FileStore) -> Sweeper:
    unfinished = UnfinishedStore(redis, 60, 100, 1 << 30)
    return Sweeper(UploadStore(redis, 60), unfinished, Retention(redis), Listing(redis, JobStore(redis)), files)


async def uploaded(uploads: UploadStore, files: FileStore, left_ms: int) -> str:
    """The id of an upload that expires so soon."""
    upload_id = new_upload_id()
    files.unfinished(upload_id).write_bytes(b"bytes")
    files.keep_upload(upload_id)
    expires_at = int(time.time() * 1000) + left_ms
    await uploads.add(Upload(upload_id, "default", "a.mp4", 5, "0" * 64, "video/mp4", expires_at))
    return upload_id


def uploads_in(files: FileStore) -> set[str]:
    return set(files.objects.room("uploads").entries())


async def ended_with_artifact(jobs: JobStore, files: FileStore, source: Path, ttl_ms: int) -> str:
    """The id of a job whose retention is so long."""
    source.write_bytes(b"bytes")
    run = await running(jobs, result_ttl_ms=ttl_ms)
    saved = files.save(run.job_id, run.attempt, "a.txt", source)
    entry = json_text({"name": saved.name, "size": 5, "content_type": "", "sha256": saved.sha256, "key": saved.key})
    await jobs.apply(run.job_id, [Change("artifact", "{}", entry), completed()], token=run.token)
    return run.job_id


async def test_an_expired_upload_is_deleted_and_forgotten(
    redis: Redis, sweeper: Sweeper, uploads: UploadStore, files: FileStore
) -> None:
    _, kept = await uploaded(uploads, files, -1), await uploaded(uploads, files, AN_HOUR)
    await sweeper.sweep()
    assert uploads_in(files) == {kept}
    assert await redis.zrange(UPLOADS_BY_EXPIRY, 0, -1) == [kept.encode()]


async def test_the_artifacts_of_a_job_go_when_its_retention_is_over(
    redis: Redis, sweeper: Sweeper, jobs: JobStore, files: FileStore, tmp_path: Path
) -> None:
    expired = await ended_with_artifact(jobs, files, tmp_path / "source", ttl_ms=1)
    kept = await ended_with_artifact(jobs, files, tmp_path / "source", ttl_ms=AN_HOUR)
    await redis.zadd(BY_EXPIRY, {expired: 1})
    await sweeper.sweep()
    assert files.objects.room("artifacts").entries() == [kept]
    assert await redis.zrange(BY_EXPIRY, 0, -1) == [kept.encode()]


async def test_an_upload_that_has_been_silent_for_a_day_is_deleted(sweeper: Sweeper, files: FileStore) -> None:
    silent, coming = files.unfinished(new_upload_id()), files.unfinished(new_upload_id())
    for path in (silent, coming):
        path.write_bytes(b"half")
    then = time.time() - ABANDONED_SECONDS - 1
    os.utime(silent, (then, then))
    await sweeper.sweep()
    assert not silent.exists()
    assert coming.exists()


async def begun(redis: Redis, files: FileStore, ttl_seconds: int) -> str:
    """The id of an upload that can be resumed for so long, and half of which has come."""
    unfinished = Unfinished(new_upload_id(), OWNER, "a.mp4", "video/mp4", 8)
    await UnfinishedStore(redis, ttl_seconds, 100, 1 << 30).begin(unfinished)
    files.unfinished(unfinished.upload_id).write_bytes(b"half")
    return unfinished.upload_id


async def test_what_can_be_resumed_goes_when_it_has_expired_and_not_before(
    redis: Redis, sweeper: Sweeper, files: FileStore
) -> None:
    expired, waiting = await begun(redis, files, 60), await begun(redis, files, 7 * 86_400)
    await redis.delete(f"tidings:unfinished:{expired}")
    await redis.zadd("tidings:unfinished", {expired: 1})
    then = time.time() - ABANDONED_SECONDS - 1
    os.utime(files.unfinished(waiting), (then, then))
    for _ in range(2):
        await sweeper.sweep()
        assert not files.unfinished(expired).exists()
        assert files.unfinished(waiting).exists()
        assert await redis.zrange("tidings:unfinished", 0, -1) == [waiting.encode()]


async def test_workers_may_sweep_at_the_same_time_and_again(
    redis: Redis, sweeper: Sweeper, uploads: UploadStore, files: FileStore, tmp_path: Path
) -> None:
    expired = [await uploaded(uploads, files, -1) for _ in range(20)]
    others = [sweeper_of(redis, files) for _ in range(4)]
    await asyncio.gather(*(each.sweep() for each in (sweeper, *others)))
    await sweeper.sweep()
    assert expired
    assert uploads_in(files) == set()
    assert not await redis.exists(UPLOADS_BY_EXPIRY)


async def test_what_was_deleted_but_not_forgotten_is_forgotten_the_next_time(redis: Redis, sweeper: Sweeper) -> None:
    await redis.zadd(BY_EXPIRY, {new_job_id(): 1})
    await sweeper.sweep()
    assert not await redis.exists(BY_EXPIRY)


async def test_more_than_one_batch_is_deleted_in_one_round(
    redis: Redis, sweeper: Sweeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeper_module, "BATCH", 4)
    await redis.zadd(BY_EXPIRY, {new_job_id(): 1 for _ in range(10)})
    await sweeper.sweep()
    assert not await redis.exists(BY_EXPIRY)


@pytest.mark.parametrize("name", ["", "..", "../../uploads", "/"])
async def test_what_is_no_id_never_becomes_a_path(redis: Redis, sweeper: Sweeper, files: FileStore, name: str) -> None:
    bystander = new_upload_id()
    files.unfinished(bystander).write_bytes(b"bytes")
    files.keep_upload(bystander)
    await redis.zadd(BY_EXPIRY, {name: 1})
    await redis.zadd(UPLOADS_BY_EXPIRY, {name: 1})
    await sweeper.sweep()
    assert uploads_in(files) == {bystander}
    assert not await redis.exists(BY_EXPIRY, UPLOADS_BY_EXPIRY)


async def test_a_file_that_cannot_be_deleted_is_left_for_the_next_round_and_stops_no_other(
    redis: Redis, sweeper: Sweeper, uploads: UploadStore, files: FileStore
) -> None:
    stuck, _ = await uploaded(uploads, files, -2), await uploaded(uploads, files, -1)
    files.unfinished(stuck).mkdir()
    await sweeper.sweep()
    assert uploads_in(files) == {stuck}
    assert await redis.zrange(UPLOADS_BY_EXPIRY, 0, -1) == [stuck.encode()]


async def test_index_entries_of_expired_jobs_go_however_many(
    redis: Redis, sweeper: Sweeper, jobs: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "MOST_EXAMINED", 100)
    await accepted(jobs)
    await redis.zadd(f"tidings:owner:{OWNER}", {new_job_id(): n for n in range(1_000)})
    await asyncio.gather(sweeper.sweep(), sweeper.sweep())
    assert await redis.zcard(f"tidings:owner:{OWNER}") < 20


async def test_the_next_round_comes_within_half_a_minute_and_not_at_once(sweeper: Sweeper) -> None:
    delays = [await sweeper.sweep() for _ in range(20)]
    assert all(20 <= delay <= 30 for delay in delays)
    assert len(set(delays)) > 1


async def test_redis_being_away_is_told_to_the_caller(tmp_path: Path, files: FileStore) -> None:
    async with Redis(unix_socket_path=str(tmp_path / "none.sock")) as away:
        with pytest.raises(Unavailable):
            await sweeper_of(away, files).sweep()


async def test_an_outage_of_the_store_of_files_delays_the_sweep_and_loses_nothing(
    redis: Redis, jobs: JobStore, uploads: UploadStore, gateway: Gateway, tmp_path: Path
) -> None:
    files = files_of(tmp_path, **gateway.settings())
    files.prepare()
    sweeper = sweeper_of(redis, files)
    job_ids = [await ended_with_artifact(jobs, files, tmp_path / "source", ttl_ms=1) for _ in range(3)]
    upload_ids = [await uploaded(uploads, files, -1) for _ in range(3)]
    with gateway.away():
        await sweeper.sweep()
        assert await redis.zcard(BY_EXPIRY) == await redis.zcard(UPLOADS_BY_EXPIRY) == 3
    assert set(files.objects.room("artifacts").entries()) == set(job_ids)
    assert uploads_in(files) == set(upload_ids)
    await sweeper.sweep()
    assert files.objects.room("artifacts").entries() == []
    assert uploads_in(files) == set()
    assert not await redis.exists(BY_EXPIRY, UPLOADS_BY_EXPIRY)


async def test_an_ended_job_that_is_purged_loses_its_files(
    redis: Redis, sweeper: Sweeper, jobs: JobStore, files: FileStore, tmp_path: Path
) -> None:
    job_id = await ended_with_artifact(jobs, files, tmp_path / "source", ttl_ms=AN_HOUR)
    await jobs.purge(job_id)
    await sweeper.sweep()
    assert files.objects.room("artifacts").entries() == []
    assert not await redis.exists(BY_EXPIRY)
