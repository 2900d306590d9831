"""What callback URLs are signed with: the settings', or what lies in Redis."""

from pathlib import Path

import pytest
from pydantic import ValidationError
from redis.asyncio import Redis

from app.errors import Unavailable
from app.settings import Settings
from app.store import Secret, secret


async def test_one_is_made_up_and_is_the_same_for_all(redis: Redis) -> None:
    one, other = Secret(redis), Secret(redis)
    assert await one.value() == await other.value() == await redis.get("tidings:secret")
    assert len(await one.value()) == 64


async def test_a_redis_that_was_emptied_gets_another_which_all_learn_of(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = Secret(redis)
    before = await known.value()
    await redis.flushall()
    assert await known.value() == before
    monkeypatch.setattr(secret, "KNOWN_SECONDS", -1)
    assert await known.value() == await Secret(redis).value() != before


async def test_what_is_known_is_used_while_redis_is_away(
    redis: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secret, "KNOWN_SECONDS", -1)
    known = Secret(redis)
    before = await known.value()
    async with Redis(unix_socket_path="/tmp/no-such-tidings.sock") as away:
        known._redis = away
        assert await known.value() == before
        with pytest.raises(Unavailable):
            await Secret(away).value()


async def test_that_of_the_settings_comes_first(redis: Redis, tmp_path: Path) -> None:
    given = Settings.model_validate({"data_dir": tmp_path, "secret": "s" * 16})
    assert await Secret.of(redis, given).value() == b"s" * 16
    assert "sss" not in repr(given)
    with pytest.raises(ValidationError, match="at least 16 characters"):
        Settings.model_validate({"secret": "short"})


@pytest.mark.parametrize(
    ("settings", "base"),
    [
        ({}, "http://127.0.0.1:8000"),
        ({"host": "0.0.0.0", "port": 9000}, "http://127.0.0.1:9000"),
        ({"host": "::"}, "http://[::1]:8000"),
        ({"public_url": "https://jobs.example/"}, "https://jobs.example"),
    ],
)
def test_callback_urls_are_absolute(settings: dict[str, str | int], base: str) -> None:
    assert Settings.model_validate(settings).callback_base == base
