"""Files that belong to nobody go; those whose owner is only out of sight stay."""

import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import httpx
import pytest
from redis.asyncio import Redis

from app.artifacts import FileStore
from app.errors import Unavailable
from app.jobs import new_job_id
from app.objects import Disk
from app.store import ByExpiry, Identity, JobStore, Retention, Upload, UploadStore
from app.store.retention import BY_EXPIRY
from tests.gateway import Gateway, files_of, signer
from tests.ground import accepted, completed, running
from workers import orphans as orphans_module
from workers.acquaintance import FILE, Acquaintance
from workers.orphans import UNTOUCHED_SECONDS, Orphans

LONG_AGO = 2 * UNTOUCHED_SECONDS


@pytest.fixture
async def orphans(redis: Redis, tmp_path: Path) -> Orphans:
    """Acquainted since long before anything in these tests was written."""
    FileStore(tmp_path).prepare()
    Acquaintance(Disk(tmp_path)).since(await Identity(redis).name(), 0, ("", 0))
    dated(tmp_path / FILE, 2 * LONG_AGO)
    return orphans_of(redis, tmp_path)


def orphans_of(redis: Redis, data_dir: Path) -> Orphans:
    return Orphans(data_dir, FileStore(data_dir), Identity(redis), Retention(redis), UploadStore(redis, 60))


def dated(path: Path, seconds_ago: float) -> None:
    then = path.stat().st_mtime - seconds_ago
    os.utime(path, (then, then))


def left(data_dir: Path, room: str, entry: str, *, age: float = LONG_AGO) -> Path:
    """A file as jobs and uploads leave it, last touched so long ago."""
    path = data_dir / room / entry
    if room == "uploads":
        path.touch()
    else:
        path /= "1/file"
        path.parent.mkdir(parents=True)
        path.touch()
        dated(path.parent, age)
        dated(path.parent.parent, age)
    dated(path, age)
    return path


async def ended(jobs: JobStore) -> str:
    run = await running(jobs)
    await jobs.apply(run.job_id, [completed()], token=run.token)
    return run.job_id


@pytest.mark.parametrize("room", ["scratch", "artifacts", "uploads"])
async def test_what_nobody_knows_goes_once_it_is_an_hour_old(orphans: Orphans, tmp_path: Path, room: str) -> None:
    old = left(tmp_path, room, new_job_id())
    young = left(tmp_path, room, new_job_id(), age=UNTOUCHED_SECONDS - 60)
    await orphans.sweep()
    assert (old.exists(), young.exists()) == (False, True)


async def test_one_young_file_keeps_all_that_lies_with_it(orphans: Orphans, tmp_path: Path) -> None:
    job_id = new_job_id()
    old = left(tmp_path, "scratch", job_id)
    (old.parent / "young").touch()
    dated(old.parent, LONG_AGO)
    await orphans.sweep()
    assert old.exists()


async def test_scratch_is_kept_for_live_jobs_and_artifacts_for_ended_ones_too(
    orphans: Orphans, jobs: JobStore, tmp_path: Path
) -> None:
    over = await ended(jobs)
    live, waiting = (await running(jobs)).job_id, await accepted(jobs)
    kept = [left(tmp_path, "artifacts", job_id) for job_id in (over, live, waiting)]
    kept += [left(tmp_path, "scratch", job_id) for job_id in (live, waiting)]
    gone = left(tmp_path, "scratch", over)
    await orphans.sweep()
    assert all(path.exists() for path in kept)
    assert not gone.parent.parent.exists()


async def test_an_upload_is_kept_as_long_as_its_record(orphans: Orphans, redis: Redis, tmp_path: Path) -> None:
    uploads, upload_id = UploadStore(redis, 60), new_job_id()
    await uploads.add(Upload(upload_id, "default", "a", 0, "", "", await uploads.expiry()))
    kept = left(tmp_path, "uploads", upload_id)
    await orphans.sweep()
    assert kept.exists()


@pytest.mark.parametrize("entry", ["valkey", "x.part", ".hidden"])
async def test_what_is_not_named_by_an_id_is_not_ours(orphans: Orphans, tmp_path: Path, entry: str) -> None:
    foreign = left(tmp_path, "uploads", entry)
    await orphans.sweep()
    assert foreign.exists()


async def flushed(redis: Redis) -> None:
    await redis.flushdb()


async def mistaken_for_another(redis: Redis) -> None:
    await redis.set("tidings:identity", "another")


@pytest.mark.parametrize("misfortune", [flushed, mistaken_for_another])
async def test_a_redis_that_is_not_the_one_we_knew_has_nothing_older_deleted(
    orphans: Orphans, redis: Redis, tmp_path: Path, misfortune: Callable[[Redis], asyncio.Future[None]]
) -> None:
    old = [left(tmp_path, room, new_job_id()) for room in ("scratch", "artifacts", "uploads")]
    await misfortune(redis)
    for _ in range(3):
        await orphans.sweep()
    assert all(path.exists() for path in old)


async def test_the_acquaintance_begins_while_there_is_nothing_yet(redis: Redis, tmp_path: Path) -> None:
    await orphans_of(redis, tmp_path).sweep()
    assert (tmp_path / FILE).read_text().split()[0] == await Identity(redis).name()


async def test_what_comes_after_the_acquaintance_is_swept_again(orphans: Orphans, redis: Redis, tmp_path: Path) -> None:
    before = left(tmp_path, "artifacts", new_job_id(), age=3 * LONG_AGO)
    await redis.flushdb()
    await orphans.sweep()
    dated(tmp_path / FILE, 2 * LONG_AGO)
    after = left(tmp_path, "artifacts", new_job_id())
    await orphans.sweep()
    assert (before.exists(), after.exists()) == (True, False)


async def test_redis_being_away_deletes_nothing(orphans: Orphans, short_path: Path, tmp_path: Path) -> None:
    old = left(tmp_path, "artifacts", new_job_id())
    async with Redis(unix_socket_path=f"{short_path}/none.sock") as away:
        with pytest.raises(Unavailable):
            await orphans_of(away, tmp_path).sweep()
    assert old.exists()


async def test_redis_going_away_between_the_questions_deletes_no_more(
    orphans: Orphans, redis: Redis, short_path: Path, tmp_path: Path
) -> None:
    old = left(tmp_path, "artifacts", new_job_id())
    async with Redis(unix_socket_path=f"{short_path}/none.sock") as away:
        halfway = Orphans(tmp_path, FileStore(tmp_path), Identity(redis), Retention(away), UploadStore(redis, 60))
        with pytest.raises(Unavailable):
            await halfway.sweep()
    assert old.exists()


class Emptied(ByExpiry):
    """Its Redis is emptied just before it is asked, or just after."""

    def __init__(self, redis: Redis, when: str) -> None:
        super().__init__(redis, BY_EXPIRY, lambda job_id: [f"tidings:{{{job_id}}}:job"])
        self._server = redis
        self._when = when

    async def known(self, ids: Sequence[str]) -> set[str]:
        if self._when == "before":
            await self._server.flushdb()
        found = await super().known(ids)
        if self._when == "after":
            await self._server.flushdb()
        return found


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.usefixtures("orphans")
async def test_redis_being_emptied_in_the_midst_of_a_round_deletes_nothing(
    redis: Redis, jobs: JobStore, tmp_path: Path, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    retention = Retention(redis)
    monkeypatch.setattr(retention, "by_expiry", Emptied(redis, when))
    files = [left(tmp_path, "artifacts", job_id) for job_id in (await ended(jobs), new_job_id())]
    await Orphans(tmp_path, FileStore(tmp_path), Identity(redis), retention, UploadStore(redis, 60)).sweep()
    assert all(path.exists() for path in files)


async def test_workers_may_look_at_the_same_time_and_again(
    orphans: Orphans, redis: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orphans_module, "BATCH", 4)
    old = [left(tmp_path, room, new_job_id()) for room in ("scratch", "artifacts", "uploads") for _ in range(10)]
    await asyncio.gather(*(orphans_of(redis, tmp_path).sweep() for _ in range(4)))
    await orphans.sweep()
    assert not any(path.exists() for path in old)


async def test_what_cannot_be_deleted_stops_nothing_else(
    orphans: Orphans, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck, other = left(tmp_path, "uploads", new_job_id()), left(tmp_path, "uploads", new_job_id())
    unlink = Path.unlink

    def refusing(path: Path, missing_ok: bool = False) -> None:
        if path == stuck.resolve():
            raise PermissionError(path)
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refusing)
    await orphans.sweep()
    assert (stuck.exists(), other.exists()) == (True, False)


async def test_the_next_round_comes_within_the_hour_and_not_in_step_with_others(orphans: Orphans) -> None:
    delays = {await orphans.sweep() for _ in range(20)}
    assert len(delays) > 1
    assert all(1_800 <= delay <= 3_600 for delay in delays)


async def test_a_redis_set_back_to_an_earlier_state_begins_anew(orphans: Orphans, redis: Redis, tmp_path: Path) -> None:
    await orphans.sweep()
    await redis.set("tidings:rounds", 0)
    unknown_now = left(tmp_path, "artifacts", new_job_id())
    await orphans.sweep()
    assert unknown_now.exists()


@pytest.fixture
async def strange(redis: Redis, gateway: Gateway, tmp_path: Path) -> FileStore:
    """Files in S3 that nobody knows: an upload, and two runs of a job."""
    files = files_of(tmp_path, **gateway.settings())
    files.prepare()
    (tmp_path / "source").touch()
    job_id, upload_id = new_job_id(), new_job_id()
    for run in (1, 2):
        files.save(job_id, run, "file", tmp_path / "source")
    files.unfinished(upload_id).touch()
    files.keep_upload(upload_id)
    return files


def left_in(files: FileStore) -> int:
    return sum(len(files.objects.room(room).entries()) for room in ("artifacts", "uploads"))


async def acquainted(redis: Redis, files: FileStore) -> None:
    """Since an hour ago."""
    name, rounds = await Identity(redis).name(), await Identity(redis).next_round()
    files.objects.note(FILE).write(f"{name} {rounds}", files.objects.time() - 3600)


async def sweep_of(redis: Redis, data_dir: Path, files: FileStore) -> None:
    await Orphans(data_dir, files, Identity(redis), Retention(redis), UploadStore(redis, 60)).sweep()


async def test_what_nobody_knows_in_s3_goes_once_it_is_an_hour_old_there(
    redis: Redis, jobs: JobStore, strange: FileStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = await ended(jobs)
    strange.save(known, 1, "file", tmp_path / "source")
    await acquainted(redis, strange)
    await sweep_of(redis, tmp_path, strange)
    assert left_in(strange) == 3
    monkeypatch.setattr(orphans_module, "UNTOUCHED_SECONDS", -60)
    await sweep_of(redis, tmp_path, strange)
    assert left_in(strange) == 1
    assert strange.objects.room("artifacts").entries() == [known]


@pytest.mark.parametrize("misfortune", [flushed, mistaken_for_another])
async def test_a_redis_that_is_not_the_one_s3_knew_has_nothing_older_deleted_there(
    redis: Redis,
    strange: FileStore,
    tmp_path: Path,
    misfortune: Callable[[Redis], asyncio.Future[None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(orphans_module, "UNTOUCHED_SECONDS", -60)
    await acquainted(redis, strange)
    await misfortune(redis)
    began = strange.objects.time()
    while strange.objects.time() <= began:  # its clock shows whole seconds
        await asyncio.sleep(0.1)
    for _ in range(2):
        await sweep_of(redis, tmp_path, strange)
    assert left_in(strange) == 2
    assert strange.objects.note(FILE).began() > began


KILLED: Final = """
import os, sys
from pathlib import Path
from typing import Final
from app.artifacts import FileStore
from app.settings import Settings

def told(moved):
    if moved == 18 << 20:
        os.kill(os.getpid(), 9)

FileStore.of(Settings(), patience_seconds=0).save("a" * 26, 1, "Füße & x.mp4", Path(sys.argv[1]), told=told)
"""


async def test_parts_of_a_killed_workers_files_go_when_they_are_a_day_old(
    redis: Redis, gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = gateway.settings()
    (tmp_path / "large").write_bytes(bytes(20 << 20))
    env = {f"TIDINGS_{name.upper()}": value for name, value in settings.items()}
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED, str(tmp_path / "large"), env=env)
    assert await process.wait() == -9
    files = files_of(tmp_path, **settings)
    files.prepare()
    assert files.objects.room("artifacts").entries() == []

    prefix = settings["store_url"].removeprefix("s3://files/") + "/"
    query = {"uploads": "", "prefix": prefix}

    def unfinished() -> int:
        link = signer(gateway.endpoint).link("GET", "", query, int(files.objects.time() * 1000), 60)
        return httpx.get(link).text.count("<Upload>")

    await sweep_of(redis, tmp_path, files)
    assert unfinished() == 1
    monkeypatch.setattr(orphans_module, "UNFINISHED_SECONDS", -60)
    await sweep_of(redis, tmp_path, files)
    assert unfinished() == 0


async def test_s3_being_away_deletes_nothing_and_is_told_to_the_caller(
    redis: Redis, gateway: Gateway, strange: FileStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orphans_module, "UNTOUCHED_SECONDS", -60)
    await acquainted(redis, strange)
    with gateway.away(), pytest.raises(ConnectionError):
        await sweep_of(redis, tmp_path, strange)
    assert left_in(strange) == 2
    await sweep_of(redis, tmp_path, strange)
    assert left_in(strange) == 0
