"""Uploads live and expire by Redis's clock: that of a host may be wrong."""

import time

import pytest
from redis.asyncio import Redis

from app.store import Unfinished, UnfinishedStore, Upload, UploadStore
from app.store.clock import redis_now_ms
from app.store.uploads import BY_EXPIRY, new_upload_id

A_MINUTE = 60_000


@pytest.fixture
def uploads(redis: Redis) -> UploadStore:
    return UploadStore(redis, 60)


@pytest.fixture
def _wrong_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 0.0)
    monkeypatch.setattr(time, "time_ns", lambda: 0)


async def added(uploads: UploadStore, expires_at: int) -> str:
    upload = Upload(new_upload_id(), "default", "a.mp4", 5, "0" * 64, "video/mp4", expires_at)
    await uploads.add(upload)
    return upload.upload_id


async def expiries(redis: Redis, upload_id: str) -> list[int]:
    """Of the record, and of the entry that the sweeper goes by."""
    async with redis.pipeline() as pipe:
        pipe.pexpiretime(f"tidings:upload:{upload_id}")
        pipe.zscore(BY_EXPIRY, upload_id)
        record, entry = await pipe.execute()
    return [record, int(entry or 0)]


@pytest.mark.usefixtures("_wrong_clock")
async def test_an_upload_expires_by_the_clock_of_redis(redis: Redis, uploads: UploadStore) -> None:
    now = await redis_now_ms(redis)
    assert now + A_MINUTE <= await uploads.expiry() <= now + A_MINUTE + 10_000
    over, kept = await added(uploads, now - 1), await added(uploads, now + A_MINUTE)
    assert await uploads.by_expiry.expired(10) == [over]
    assert await uploads.find(over) is None
    found = await uploads.find(kept)
    assert found
    assert found.expires_at == now + A_MINUTE


@pytest.mark.usefixtures("_wrong_clock")
async def test_a_used_upload_is_kept_from_then_on_and_never_shorter_than_promised(
    redis: Redis, uploads: UploadStore
) -> None:
    now = await redis_now_ms(redis)
    upload_id = await added(uploads, now + 30_000)
    assert await uploads.keep(upload_id)
    for expiry in await expiries(redis, upload_id):
        assert now + A_MINUTE <= expiry <= now + A_MINUTE + 10_000
    assert await uploads.keep(upload_id, 10 * A_MINUTE)
    assert await uploads.keep(upload_id)
    for expiry in await expiries(redis, upload_id):
        assert now + 10 * A_MINUTE <= expiry <= now + 10 * A_MINUTE + 10_000


async def test_an_upload_that_is_gone_cannot_be_kept(redis: Redis, uploads: UploadStore) -> None:
    assert not await uploads.keep(new_upload_id())
    assert not await redis.exists(BY_EXPIRY)


async def test_an_upload_that_is_not_wanted_is_unknown_at_once_and_its_file_to_go(
    redis: Redis, uploads: UploadStore
) -> None:
    upload_id = await added(uploads, await redis_now_ms(redis) + A_MINUTE)
    await uploads.end(upload_id)
    assert await uploads.find(upload_id) is None
    assert await uploads.by_expiry.expired(10) == [upload_id]


async def test_the_file_of_one_that_is_about_to_become_an_upload_belongs_to_somebody(
    redis: Redis, uploads: UploadStore
) -> None:
    unfinished = Unfinished(new_upload_id(), "default", "a.mp4", "video/mp4", 5)
    await UnfinishedStore(redis, 60, 1, 5).begin(unfinished)
    known, unknown = await added(uploads, await redis_now_ms(redis) + A_MINUTE), new_upload_id()
    assert await uploads.by_expiry.known([unfinished.upload_id, known, unknown]) == {unfinished.upload_id, known}
