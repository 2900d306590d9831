"""Browser tokens: what one is made for, it does; and nothing else."""

import json
import time
from datetime import datetime
from typing import Any

import httpx
import pytest

from app.auth import Scope
from app.settings import Settings
from app.store import BatchStore, KeyStore, Order
from tests.ground import submission
from tests.web.conftest import Store, assert_problem
from tests.web.resuming import PIECE, VERSION
from tests.web.test_websocket import asked, socket, to_the_end

BATCH = "abcdefghijklmnopqrstuvwx22"
FRIEND = "https://app.example.com"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"auth": "keys", "allowed_origins": (FRIEND,)})


def shown(credential: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {credential}"}


async def token(web: httpx.AsyncClient, maker: dict[str, str], **wanted: Any) -> str:
    response = await web.post("/api/tokens", json=wanted, headers=maker)
    assert response.status_code == 201, response.text
    text: str = response.json()["token"]
    return text


async def sees(web: httpx.AsyncClient, credential: str, job_id: str) -> bool:
    response = await web.get(f"/api/jobs/{job_id}", headers=shown(credential))
    if response.status_code != 200:
        assert_problem(response, 404, "unknown_job")
    return response.status_code == 200


async def test_a_token_says_when_it_expires_and_is_not_kept_by_caches(
    web: httpx.AsyncClient, ann: dict[str, str]
) -> None:
    response = await web.post("/api/tokens", json={"scope": "read", "feed": True, "ttl_seconds": 60}, headers=ann)
    assert response.status_code == 201
    assert response.headers["cache-control"] == "no-store"
    assert response.json()["token"].startswith("tdt_")
    assert response.json()["expires_at"].endswith("Z")


async def test_a_token_for_jobs_reaches_these(web: httpx.AsyncClient, ann: dict[str, str], store: Store) -> None:
    mine, other, foreign = [await store.submitted(owner=owner) for owner in ("ann", "ann", "bob")]
    text = await token(web, ann, scope="read", jobs=[mine.job_id, foreign.job_id])
    assert await sees(web, text, mine.job_id)
    assert not await sees(web, text, other.job_id)
    assert not await sees(web, text, foreign.job_id)
    assert_problem(await web.get("/api/jobs", headers=shown(text)), 403, "forbidden")
    assert_problem(await web.get("/api/events", headers=shown(text)), 403, "forbidden")


async def test_a_token_for_a_tag_reaches_what_has_it_and_lists_that(
    web: httpx.AsyncClient, ann: dict[str, str], store: Store
) -> None:
    red, blue = await store.submitted(owner="ann", tags=("red",)), await store.submitted(owner="ann", tags=("blue",))
    foreign = await store.submitted(owner="bob", tags=("red",))
    text = await token(web, ann, scope="read", tag="red")
    assert [await sees(web, text, job.job_id) for job in (red, blue, foreign)] == [True, False, False]
    for query in ("", "?tag=blue", "?tag=red"):
        listed = (await web.get(f"/api/jobs{query}", headers=shown(text))).json()["jobs"]
        assert [job["job_id"] for job in listed] == ([red.job_id] if "blue" not in query else [])


async def test_a_token_for_a_batch_reaches_it_and_its_jobs(
    web: httpx.AsyncClient, ann: dict[str, str], store: Store
) -> None:
    batches = BatchStore(store.redis)
    await batches.accept(Order(BATCH, "ann", [submission(owner="ann")]))
    await batches.accept(Order(BATCH[:-1] + "3", "ann", [submission(owner="ann")]))
    await batches.work(BATCH)
    text = await token(web, ann, scope="read", batch_id=BATCH)
    assert (await web.get(f"/api/batches/{BATCH}", headers=shown(text))).status_code == 200
    other = await web.get(f"/api/batches/{BATCH[:-1]}3", headers=shown(text))
    assert_problem(other, 404, "unknown_batch")
    alone = await store.submitted(owner="ann")
    listed = (await web.get("/api/jobs", headers=shown(text))).json()["jobs"]
    assert alone.job_id not in [job["job_id"] for job in listed]
    assert {job["batch_id"] for job in listed} == {BATCH}
    assert (await web.get(f"/api/jobs?q={alone.job_id}", headers=shown(text))).json()["jobs"] == []
    assert_problem(await web.get(f"/api/jobs?batch_id={BATCH[:-1]}3", headers=shown(text)), 403, "forbidden")
    assert_problem(await web.get("/api/events", headers=shown(text)), 403, "forbidden")


async def test_to_read_is_not_to_cancel(web: httpx.AsyncClient, ann: dict[str, str], store: Store) -> None:
    job = await store.submitted(owner="ann")
    cancel = f"/api/jobs/{job.job_id}/cancel"
    reads, cancels = [await token(web, ann, scope=scope, jobs=[job.job_id]) for scope in ("read", "cancel")]
    assert_problem(await web.post(cancel, headers=shown(reads)), 403, "forbidden")
    assert await sees(web, cancels, job.job_id)
    assert (await web.post(cancel, headers=shown(cancels))).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/tokens"),
        ("DELETE", "/api/jobs/{id}"),
        ("POST", "/api/jobs/{id}/suspend"),
        ("GET", "/api/jobs/{id}/deliveries"),
        ("GET", "/api/queues"),
    ],
)
async def test_a_token_does_nothing_that_is_not_for_pages(
    web: httpx.AsyncClient, ann: dict[str, str], store: Store, method: str, path: str
) -> None:
    job = await store.submitted(owner="ann")
    text = await token(web, ann, scope="cancel", feed=True)
    response = await web.request(method, path.format(id=job.job_id), headers=shown(text))
    assert_problem(response, 403, "forbidden")


async def test_a_token_submits_a_single_job_of_its_kind(
    web: httpx.AsyncClient, ann: dict[str, str], store: Store
) -> None:
    text = await token(web, ann, scope="submit", kind="anything")
    other = await web.post("/api/jobs", json={"kind": "transcode"}, headers=shown(text))
    assert_problem(other, 403, "forbidden")
    body = {"kind": "anything", "params": {"x": 1}}
    answers = [
        await web.post("/api/jobs", json=body, headers=shown(text) | {"Idempotency-Key": f"k{n}"}) for n in range(3)
    ]
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["job_id"] for answer in answers}) == 1
    second = await web.post("/api/jobs", json=body | {"params": {"x": 2}}, headers=shown(text))
    assert_problem(second, 422, "idempotency_conflict")
    assert not (await web.get(answers[0].json()["links"]["self"], headers=shown(text))).is_success
    assert (await web.post("/api/batches", json={"jobs": [body]}, headers=shown(text))).status_code == 403


@pytest.mark.parametrize(
    ("has", "makes"), [("submit", {"submit"}), ("read", {"read"}), ("cancel", set()), ("admin", set())]
)
async def test_who_makes_a_token_may_itself_what_that_may(
    web: httpx.AsyncClient, keys: KeyStore, has: str, makes: set[str]
) -> None:
    _, text = await keys.create("ann", [Scope(has)])
    for scope in ("submit", "read", "cancel"):
        narrowed = {"kind": "anything"} if scope == "submit" else {"feed": True}
        response = await web.post("/api/tokens", json={"scope": scope, **narrowed}, headers=shown(text))
        if scope in makes:
            assert response.status_code == 201
        else:
            assert_problem(response, 403, "forbidden")


async def test_two_tokens_submit_two_jobs(web: httpx.AsyncClient, ann: dict[str, str]) -> None:
    texts = [await token(web, ann, scope="submit", kind="anything") for _ in range(2)]
    jobs = [(await web.post("/api/jobs", json={"kind": "anything"}, headers=shown(text))).json() for text in texts]
    assert len({job["job_id"] for job in jobs}) == 2


async def test_a_token_for_a_submission_may_upload_what_that_needs(web: httpx.AsyncClient, ann: dict[str, str]) -> None:
    text = await token(web, ann, scope="submit", kind="transcode")
    upload = (await web.put("/api/uploads/a.mp4", content=b"moov", headers=shown(text))).json()
    body = {"kind": "transcode", "params": {"input": upload["input"]}}
    assert (await web.post("/api/jobs", json=body, headers=shown(text))).status_code == 202


async def test_what_one_submission_uploads_does_not_exist_for_another(
    web: httpx.AsyncClient, ann: dict[str, str], store: Store
) -> None:
    mine, other = [shown(await token(web, ann, scope="submit", kind="transcode")) for _ in range(2)]
    whole = (await web.put("/api/uploads/a.mp4", content=b"moov", headers=mine)).json()["upload_id"]
    begun = (await web.post("/api/uploads", headers=mine | VERSION | {"Upload-Length": "4"})).headers["location"]
    for url in (begun, f"/api/uploads/tus/{whole}"):
        assert (await web.get(url, headers=mine)).status_code == 200
        assert (await web.get(url, headers=ann)).status_code == 200
        assert_problem(await web.get(url, headers=other), 404, "unknown_upload")
        assert_problem(await web.delete(url, headers=other | VERSION), 404, "unknown_upload")
        piece = PIECE | {"Upload-Offset": "0"}
        assert_problem(await web.patch(url, content=b"moov", headers=other | piece), 404, "unknown_upload")
    assert (await web.patch(begun, content=b"moov", headers=mine | piece)).status_code == 204
    run = await store.claimed(owner="ann")
    await store.save(run, "a.mp4", b"moov")
    for text in (f"upload:{whole}", f"upload:{begun[-26:]}", f"artifact:{run.job_id}/a.mp4"):
        body = {"kind": "transcode", "params": {"input": text}}
        assert_problem(await web.post("/api/jobs", json=body, headers=other), 422, "unknown_input")
    assert (await web.post("/api/jobs", json=body, headers=ann)).status_code == 202
    body = {"kind": "transcode", "params": {"input": f"upload:{whole}"}}
    assert (await web.post("/api/jobs", json=body, headers=mine)).status_code == 202


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"scope": "read"},
        {"scope": "admin", "feed": True},
        {"scope": "read", "feed": False},
        {"scope": "read", "feed": True, "tag": "x"},
        {"scope": "read", "kind": "anything"},
        {"scope": "read", "feed": True, "kind": "anything"},
        {"scope": "submit"},
        {"scope": "submit", "kind": "anything", "feed": True},
        {"scope": "read", "jobs": []},
        {"scope": "read", "jobs": ["x"]},
        {"scope": "read", "jobs": ["a" * 26] * 51},
        {"scope": "read", "tag": ""},
        {"scope": "read", "feed": True, "ttl_seconds": 0},
        {"scope": "read", "feed": True, "ttl_seconds": 86_401},
        {"scope": "read", "feed": True, "owner": "bob"},
        [],
        "read",
    ],
)
async def test_a_token_that_is_not_narrowed_in_one_way_is_not_made(
    web: httpx.AsyncClient, ann: dict[str, str], wanted: Any
) -> None:
    assert_problem(await web.post("/api/tokens", json=wanted, headers=ann), 422, "invalid_token")


async def test_nobody_gives_away_what_he_does_not_have(web: httpx.AsyncClient, keys: KeyStore) -> None:
    _, text = await keys.create("ann", [Scope.READ])
    for wanted in ({"scope": "cancel", "feed": True}, {"scope": "submit", "kind": "anything"}):
        assert_problem(await web.post("/api/tokens", json=wanted, headers=shown(text)), 403, "forbidden")


async def test_a_token_ends_with_the_key_it_was_made_with(
    web: httpx.AsyncClient, keys: KeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.auth.authenticator.KNOWN_SECONDS", 0.0)
    key, text = await keys.create("ann", [Scope.READ])
    made = await token(web, shown(text), scope="read", feed=True)
    assert (await web.get("/api/jobs", headers=shown(made))).status_code == 200
    await keys.revoke(key.key_id)
    assert_problem(await web.get("/api/jobs", headers=shown(made)), 401, "unauthenticated")


async def test_a_token_lives_no_longer_than_the_operator_allows(web: httpx.AsyncClient, ann: dict[str, str]) -> None:
    before = time.time()
    response = await web.post("/api/tokens", json={"scope": "read", "feed": True, "ttl_seconds": 86_400}, headers=ann)
    expires_at = datetime.fromisoformat(response.json()["expires_at"]).timestamp()
    assert expires_at - before < 86_400 / 2


async def test_an_expired_token_is_401(web: httpx.AsyncClient, ann: dict[str, str]) -> None:
    text = await token(web, ann, scope="read", feed=True, ttl_seconds=1)
    deadline = time.monotonic() + 20
    while (response := await web.get("/api/kinds", headers=shown(text))).status_code == 200:
        assert time.monotonic() < deadline
    assert_problem(response, 401, "unauthenticated")


async def cookie(web: httpx.AsyncClient, ann: dict[str, str], **wanted: Any) -> dict[str, str]:
    """The header a browser would send."""
    body = {"scope": "cancel", "feed": True, "cookie": True} | wanted
    response = await web.post("/api/tokens", json=body, headers=ann)
    assert "token" not in response.json()
    web.cookies.clear()  # what httpx would send of itself is not the matter here
    said = response.headers["set-cookie"]
    attributes = said.lower()
    assert all(word in attributes for word in ("httponly", "secure", "samesite=strict", "path=/api", "max-age="))
    return {"Cookie": said.partition(";")[0]}


async def test_a_cookie_reads_and_does_the_rest_only_for_our_own_pages(
    web: httpx.AsyncClient, ann: dict[str, str], store: Store
) -> None:
    job = await store.submitted(owner="ann")
    kept = await cookie(web, ann)
    assert (await web.get("/api/jobs", headers=kept)).status_code == 200
    cancel, host = f"/api/jobs/{job.job_id}/cancel", str(web.base_url)
    for foreign in (
        {},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": host},
    ):
        code = "foreign_origin" if foreign else "forbidden"  # who says nothing of a page is no page's, with its cookie
        assert_problem(await web.post(cancel, headers=kept | foreign), 403, code)
    assert (await web.post(cancel, headers=kept | {"Sec-Fetch-Site": "same-origin"})).status_code == 200
    assert (await web.post(cancel, headers=kept | {"Origin": host.rstrip("/")})).status_code == 200


async def test_over_a_socket_a_cookie_counts_for_pages_of_our_own_alone(
    web: httpx.AsyncClient, address: str, ann: dict[str, str], store: Store
) -> None:
    """An allowed page of another origin may be of the same site: then the browser sends the cookie along."""
    job = await store.submitted(owner="ann")
    kept = await cookie(web, ann)
    frame = {"op": "cancel", "job_id": job.job_id}
    async with socket(address, "/api/ws", additional_headers=kept | {"Origin": FRIEND}) as connection:
        await connection.send(json.dumps(frame))
        assert (await to_the_end(connection))[1] == 4401
    async with socket(address, "/api/ws", additional_headers=kept | {"Origin": address}) as connection:
        assert (await asked(connection, **frame))["op"] == "cancelling"


async def test_a_header_wins_over_a_cookie(web: httpx.AsyncClient, ann: dict[str, str]) -> None:
    kept = await cookie(web, ann)
    assert_problem(await web.get("/api/jobs", headers=kept | shown("tdg_x")), 401, "unauthenticated")


async def test_a_cookie_can_be_dropped(web: httpx.AsyncClient) -> None:
    response = await web.delete("/api/tokens")
    assert response.status_code == 204
    assert "max-age=0" in response.headers["set-cookie"].lower()
