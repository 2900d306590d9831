"""Keys that an issuer publishes: fetched when needed, not for whoever asks, and kept while it is away."""

import asyncio
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from app.auth.jwks import PublishedKeys
from app.errors import Unavailable
from tests.auth.test_issuer import jwk
from tests.small_server import Answer, SmallServer, json, serving
from tests.watching import until

PATH = "/jwks.json"
KEY = ed25519.Ed25519PrivateKey.generate()


@pytest.fixture
def server() -> Iterator[SmallServer]:
    with serving() as server:
        server.will(PATH, published("1"))
        yield server


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.auth.jwks.PAUSE_SECONDS", 0.0)


def published(*key_ids: str) -> Answer:
    return json({"keys": [jwk(KEY, "EdDSA", kid=key_id) for key_id in key_ids]})


async def known(keys: PublishedKeys, key_id: str) -> list[str]:
    return [key.key_id for key in await keys.keys(key_id)]


async def test_they_are_fetched_once(server: SmallServer) -> None:
    keys = PublishedKeys(server.url + PATH)
    assert [await known(keys, "1") for _ in range(5)] == [["1"]] * 5
    assert len(server.seen) == 1


async def test_a_new_key_is_looked_for(server: SmallServer) -> None:
    keys = PublishedKeys(server.url + PATH)
    await known(keys, "1")
    server.will(PATH, published("1", "2"))
    assert await known(keys, "2") == ["2"]


async def test_made_up_keys_make_no_flood_of_requests(server: SmallServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.auth.jwks.PAUSE_SECONDS", 3600.0)
    keys = PublishedKeys(server.url + PATH)
    assert [await known(keys, f"made up {n}") for n in range(20)] == [[]] * 20
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    "answer",
    [
        Answer(500),
        Answer(302, headers={"Location": "/elsewhere"}),
        Answer(200, b"{"),
        Answer(200, b"[]"),
        Answer(200, b"x" * (2 << 20)),
        Answer(200, b"{}", torn=True),
        json({"keys": []}),
    ],
)
async def test_while_the_issuer_is_away_what_is_known_stays_good(
    server: SmallServer, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, nothing = PublishedKeys(server.url + PATH), PublishedKeys(server.url + PATH)
    await known(keys, "1")
    monkeypatch.setattr("app.auth.jwks.FRESH_SECONDS", 0.0)
    server.will(PATH, answer)
    assert await known(keys, "1") == ["1"]
    with pytest.raises(Unavailable):
        await known(nothing, "1")
    assert not server.seen_at("/elsewhere")


async def test_as_long_as_none_is_known_it_is_said_that_none_can_be_had(
    server: SmallServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.auth.jwks.PAUSE_SECONDS", 3600.0)
    server.will(PATH, Answer(503))
    keys = PublishedKeys(server.url + PATH)
    for _ in range(3):
        with pytest.raises(Unavailable):
            await known(keys, "1")
    assert len(server.seen) == 1


async def test_nobody_waits_for_an_issuer_whose_keys_are_known(
    server: SmallServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = PublishedKeys(server.url + PATH)
    await known(keys, "1")
    monkeypatch.setattr("app.auth.jwks.FRESH_SECONDS", 0.0)
    monkeypatch.setattr("app.auth.jwks.PAUSE_SECONDS", 3600.0)
    keys._tried_at = float("-inf")
    server.will(PATH, Answer(hangs=True))
    async with asyncio.timeout(2):
        assert await known(keys, "1") == ["1"]
    await until(lambda: len(server.seen) == 2)


async def test_a_fetch_takes_only_so_long(server: SmallServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.auth.jwks.FETCH_SECONDS", 0.2)
    server.will(PATH, Answer(hangs=True))
    with pytest.raises(Unavailable):
        await known(PublishedKeys(server.url + PATH), "1")
