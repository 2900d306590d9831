"""API keys as Redis has them."""

import json

import pytest
from redis.asyncio import Redis

from app.auth import Scope
from app.auth.principal import USUAL
from app.errors import TooManyKeys, Unavailable
from app.limits import NO_BOUNDS, Bounds
from app.store import KeyStore


@pytest.fixture
def keys(redis: Redis) -> KeyStore:
    return KeyStore(redis)


async def test_a_key_is_found_by_what_was_shown_once(keys: KeyStore) -> None:
    made, text = await keys.create("ann", [Scope.READ], bounds=Bounds(7, 60, 6))
    assert await keys.match(text) == made == await keys.find(made.key_id)
    assert (made.name, made.scopes, made.bounds) == ("ann", frozenset({Scope.READ}), Bounds(7, 60, 6))


async def test_a_key_of_before_there_were_bounds_has_none(keys: KeyStore, redis: Redis) -> None:
    made, text = await keys.create("ann", [Scope.READ], Bounds(submits_per_minute=1))
    record = json.loads(made.record)
    del record["submits_per_minute"], record["uploads_per_minute"]
    await redis.hset("tidings:keys", made.key_id, json.dumps(record))  # type: ignore[misc]  # redis-py
    found = await keys.match(text)
    assert found
    assert found.bounds == NO_BOUNDS


async def test_redis_never_has_the_key_itself(keys: KeyStore, redis: Redis) -> None:
    _, text = await keys.create("ann", USUAL)
    for name in await redis.keys("*"):
        kept = b"".join(b"".join(pair) for pair in (await redis.hgetall(name)).items())  # type: ignore[misc]  # redis-py
        assert text.encode() not in kept
        assert text[4:-6].encode() not in kept


async def test_an_id_that_fits_is_not_enough(keys: KeyStore, redis: Redis) -> None:
    made, text = await keys.create("ann", USUAL)
    other, _ = await keys.create("bob", USUAL)
    await redis.hset("tidings:keys", made.key_id, other.record)  # type: ignore[misc]  # redis-py
    assert await keys.match(text) is None


async def test_revoked_it_is_found_no_more_but_listed(keys: KeyStore) -> None:
    made, text = await keys.create("ann", USUAL)
    again, _ = await keys.create("ann", USUAL)
    assert [key.key_id for key in await keys.revoke(made.key_id)] == [made.key_id]
    assert await keys.match(text) is None
    assert await keys.revoked([made.key_id, again.key_id, "unknown"]) == [made.key_id, "unknown"]
    assert [key.revoked_at is None for key in await keys.all()] == [False, True]
    assert await keys.revoke(made.key_id) == []


async def test_a_name_revokes_all_its_keys(keys: KeyStore) -> None:
    for name in ("ann", "bob", "ann"):
        await keys.create(name, USUAL)
    assert [key.name for key in await keys.revoke("ann")] == ["ann", "ann"]
    assert [key.name for key in await keys.all() if key.revoked_at is None] == ["bob"]


async def test_there_are_keys_from_the_first_one_on_revoked_or_not(keys: KeyStore) -> None:
    assert not await keys.any()
    made, _ = await keys.create("ann", USUAL)
    assert await keys.any()
    await keys.revoke(made.key_id)
    assert await keys.any()


async def test_what_was_revoked_long_ago_is_forgotten_when_a_key_is_made(
    keys: KeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _ = await keys.create("ann", USUAL)
    await keys.note_use(made.key_id)
    await keys.revoke(made.key_id)
    monkeypatch.setattr("app.store.keys.REVOKED_KEPT_MS", -1)
    other, _ = await keys.create("bob", USUAL)
    assert [key.key_id for key in await keys.all()] == [other.key_id]


async def test_keys_are_bounded(keys: KeyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.store.keys.MOST_KEYS", 1)
    await keys.create("ann", USUAL)
    with pytest.raises(TooManyKeys):
        await keys.create("ann", USUAL)


async def test_a_redis_that_is_away_is_no_stranger() -> None:
    async with Redis.from_url("unix:///tmp/no-such-tidings.sock") as away:
        with pytest.raises(Unavailable):
            await KeyStore(away).match("tdg_x")
