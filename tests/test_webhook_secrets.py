"""What signs webhooks: an owner's own secrets, the operator's, or one that is made."""

import asyncio

import pytest
from redis.asyncio import Redis

from app.errors import TooManySecrets
from app.store import WebhookSecrets
from app.store.webhook_secrets import MADE, MOST_SECRETS
from app.webhooks import is_webhook_secret, new_webhook_secret


@pytest.fixture
def secrets(redis: Redis) -> WebhookSecrets:
    return WebhookSecrets(redis)


async def test_without_any_one_is_made_and_stays(redis: Redis) -> None:
    (many,) = {*await asyncio.gather(*(WebhookSecrets(redis).of("a") for _ in range(9)))}
    (one,) = many
    assert is_webhook_secret(one)
    (known,) = await WebhookSecrets(redis).all("a")
    assert (known.secret_id, known.secret, known.was_made) == (MADE, one, True)
    assert await WebhookSecrets(redis).of("b") != many


async def test_the_operators_sign_for_who_has_none(redis: Redis) -> None:
    theirs = [new_webhook_secret(), new_webhook_secret()]
    secrets = WebhookSecrets(redis, theirs)
    assert await secrets.of("a") == tuple(theirs)
    assert await secrets.all("a") == []
    own = await secrets.create("b")
    assert await secrets.of("b") == (own.secret,)


async def test_all_of_an_owner_sign_the_latest_first(secrets: WebhookSecrets) -> None:
    first = await secrets.create("a")
    while (second := await secrets.create("a")).created_at == first.created_at:
        await secrets.delete("a", second.secret_id)
    assert await secrets.of("a") == (second.secret, first.secret)
    assert await secrets.all("a") == [second, first]


async def test_one_that_was_deleted_signs_no_more(redis: Redis) -> None:
    first, second = [await WebhookSecrets(redis).create("a") for _ in range(2)]
    assert await WebhookSecrets(redis).delete("a", first.secret_id)
    assert not await WebhookSecrets(redis).delete("a", first.secret_id)
    assert not await WebhookSecrets(redis).delete("b", second.secret_id)
    assert await WebhookSecrets(redis).of("a") == (second.secret,)


async def test_redis_is_asked_once_a_second(
    redis: Redis, secrets: WebhookSecrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr("app.store.webhook_secrets.monotonic", lambda: now)
    made = await secrets.of("a")
    own = await WebhookSecrets(redis).create("a")
    now = 0.9
    assert await secrets.of("a") == made
    now = 1.0
    assert set(await secrets.of("a")) == {own.secret, *made}


async def test_an_owner_has_ten_at_most(secrets: WebhookSecrets) -> None:
    for _ in range(MOST_SECRETS):
        await secrets.create("a")
    with pytest.raises(TooManySecrets):
        await secrets.create("a")
