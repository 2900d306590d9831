"""What one key may take, beside what its owner may: jobs it submits and uploads it begins."""

from typing import Any

import httpx
import pytest

from app.auth.principal import USUAL
from app.limits import Bounds
from app.settings import Settings
from app.store import KeyStore
from tests.web.conftest import Store, assert_refused
from tests.web.test_tokens import shown, token

QUOTA = "https://iana.org/assignments/http-problem-types#quota-exceeded"
JOB: dict[str, Any] = {"kind": "anything"}
TUS = {"Tus-Resumable": "1.0.0", "Upload-Length": "1"}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"auth": "keys", "submits_per_minute": 6, "uploads_per_minute": 6})


@pytest.fixture
def keys(store: Store) -> KeyStore:
    return KeyStore(store.redis)


async def bounded(keys: KeyStore, name: str = "ann", **bounds: int) -> dict[str, str]:
    _, text = await keys.create(name, USUAL, Bounds(**bounds))
    return shown(text)


def assert_too_fast(response: httpx.Response, what: str, most: int) -> None:
    assert_refused(response, 429, f"{what}_too_fast", QUOTA)
    assert 0 < int(response.headers["retry-after"]) <= 60
    assert response.headers["ratelimit-policy"] == f'"{what}";q={most};w=60'
    assert response.headers["ratelimit"].startswith(f'"{what}";r=0;t=')


async def test_a_key_submits_as_often_as_it_may_and_its_owner_by_another_key(
    web: httpx.AsyncClient, keys: KeyStore, store: Store
) -> None:
    slow, other = await bounded(keys, submits_per_minute=2), await bounded(keys)
    for left in (1, 0):
        accepted = await web.post("/api/jobs", json=JOB, headers=slow | {"Idempotency-Key": f"k{left}"})
        assert accepted.headers["ratelimit-policy"] == '"submit";q=2;w=60'
        assert accepted.headers["ratelimit"].startswith(f'"submit";r={left};')
    assert_too_fast(await web.post("/api/jobs", json=JOB, headers=slow), "submit", 2)
    assert_too_fast(await web.post("/api/batches", json={"jobs": [JOB]}, headers=slow), "submit", 2)
    repeated = await web.post("/api/jobs", json=JOB, headers=slow | {"Idempotency-Key": "k0"})
    assert (repeated.status_code, repeated.headers["idempotency-replayed"]) == (202, "true")
    accepted = await web.post("/api/jobs", json=JOB, headers=other)
    assert accepted.headers["ratelimit"].startswith('"submit";r=3;'), "what was refused is no loss of the owner's"


async def test_what_the_owner_may_not_the_key_has_not_used_up(web: httpx.AsyncClient, keys: KeyStore) -> None:
    one, other = await bounded(keys, submits_per_minute=2), await bounded(keys)
    assert (await web.post("/api/batches", json={"jobs": [JOB] * 6}, headers=other)).status_code == 202
    for _ in range(3):
        refused = await web.post("/api/jobs", json=JOB, headers=one)
        assert 9 <= int(refused.headers["retry-after"]) <= 10, "the owner's next, not the key's"


async def test_a_browser_token_counts_as_its_key(web: httpx.AsyncClient, keys: KeyStore) -> None:
    maker = await bounded(keys, submits_per_minute=1, uploads_per_minute=1)
    tokens = [await token(web, maker, scope="submit", kind="anything") for _ in range(2)]
    answers = [await web.post("/api/jobs", json=JOB, headers=shown(text)) for text in tokens]
    assert answers[0].status_code == 202
    assert_too_fast(answers[1], "submit", 1)
    uploads = [await web.put("/api/uploads/a", content=b"x", headers=shown(text)) for text in tokens]
    assert uploads[0].status_code == 201
    assert_too_fast(uploads[1], "upload", 1)


async def test_uploads_are_counted_as_they_begin_by_either_door(
    web: httpx.AsyncClient, keys: KeyStore, store: Store
) -> None:
    slow, other = await bounded(keys, uploads_per_minute=2), await bounded(keys)
    begun = await web.post("/api/uploads", headers=slow | TUS)
    assert (await web.put("/api/uploads/a", content=b"x", headers=slow)).status_code == 201
    kept = store.uploaded()
    assert_too_fast(await web.put("/api/uploads/a", content=b"x", headers=slow), "upload", 2)
    assert_too_fast(await web.post("/api/uploads", headers=slow | TUS), "upload", 2)
    assert store.uploaded() == kept
    piece = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": "0", "Tus-Resumable": "1.0.0"}
    assert (await web.patch(begun.headers["location"], content=b"x", headers=slow | piece)).status_code == 204
    for _ in range(4):
        assert (await web.put("/api/uploads/a", content=b"x", headers=other)).status_code == 201
    assert_too_fast(await web.put("/api/uploads/a", content=b"x", headers=other), "upload", 6)
    stranger = await bounded(keys, name="bob")
    assert (await web.put("/api/uploads/a", content=b"x", headers=stranger)).status_code == 201
