"""Browser tokens: what is signed comes back, and nothing else is believed."""

import time
from base64 import urlsafe_b64encode

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from app.auth import Principal, Reach, Scope
from app.auth.tokens import Tokens
from app.errors import Unauthenticated
from app.store import Secret


@pytest.fixture
def tokens(redis: Redis) -> Tokens:
    return Tokens(Secret(redis, "a secret of this deployment"))


def ann(seconds: float = 60, tag: str = "") -> Principal:
    expires_at = round((time.time() + seconds) * 1000)
    return Principal("ann", frozenset({Scope.READ}), "0123456789ab", expires_at, Reach(tag=tag))


async def test_a_token_comes_back_as_it_was_signed(tokens: Tokens) -> None:
    principal = Principal(
        "ann", frozenset(Scope), "jwt:x", ann().expires_at, Reach(frozenset({"a", "b"}), "t", "b", True, "k", "s", True)
    )
    assert await tokens.read(await tokens.sign(principal)) == principal


async def test_an_expired_one_is_worth_nothing(tokens: Tokens) -> None:
    with pytest.raises(Unauthenticated, match="expired"):
        await tokens.read(await tokens.sign(ann(seconds=-1)))


async def test_another_secret_signs_another_token(tokens: Tokens, redis: Redis) -> None:
    with pytest.raises(Unauthenticated):
        await tokens.read(await Tokens(Secret(redis, "another secret altogether")).sign(ann()))


async def test_one_changed_character_anywhere_is_noticed(tokens: Tokens) -> None:
    token = await tokens.sign(ann(tag="t"))
    for place in range(len("tdt_"), len(token)):
        forged = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        with pytest.raises(Unauthenticated):
            await tokens.read(forged)


@hypothesis_settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=200), st.binary(max_size=40))
async def test_whatever_else_comes_is_none_of_ours_and_breaks_nothing(tokens: Tokens, text: str, raw: bytes) -> None:
    for forged in (text, f"tdt_{text}", f"tdt_{urlsafe_b64encode(raw).decode()}.{text}", "tdt_" + "x" * 100_000):
        with pytest.raises(Unauthenticated):
            await tokens.read(forged)
