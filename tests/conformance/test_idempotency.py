"""`Idempotency-Key` as in the IETF draft: a structured-field string (RFC 9651), bare tokens taken too.

Replays, conflicts and malformed keys are in `tests/web/test_submit.py`; here what is left.
"""

import asyncio

import httpx
import pytest

from app.store import JobStore
from tests.conformance.conftest import Raw
from tests.ground import submission
from tests.web.conftest import Store, assert_problem

BODY = {"kind": "anything"}


async def job_of(web: httpx.AsyncClient, key: str) -> str:
    response = await web.post("/api/jobs", json=BODY, headers={"Idempotency-Key": key})
    assert response.status_code == 202
    job_id: str = response.json()["job_id"]
    return job_id


async def test_a_quoted_key_and_the_same_one_bare_are_one_key(web: httpx.AsyncClient) -> None:
    assert await job_of(web, '"8e03978e-40d5"') == await job_of(web, "8e03978e-40d5")


async def test_a_quoted_key_may_hold_spaces_and_escapes(web: httpx.AsyncClient) -> None:
    assert await job_of(web, r'"a \"b\" \\ c"') == await job_of(web, r'"a \"b\" \\ c"')
    assert await job_of(web, r'"a\\b"') == await job_of(web, r"a\b")


async def test_keys_differ_by_every_character(web: httpx.AsyncClient) -> None:
    assert len({await job_of(web, key) for key in ("a", "A", '"a "', '" a"', "a:", "a;b=1")}) == 6


async def test_a_key_has_at_most_255_characters(web: httpx.AsyncClient) -> None:
    await job_of(web, "k" * 255)
    response = await web.post("/api/jobs", json=BODY, headers={"Idempotency-Key": "k" * 256})
    assert assert_problem(response, 400, "invalid_request")["header"] == "Idempotency-Key"


@pytest.mark.parametrize("keys", [(b"a", b"b"), (b"a", b"a")])
async def test_two_keys_are_refused_even_when_they_are_alike(post: Raw, store: Store, keys: tuple[bytes, ...]) -> None:
    answer = await post(b'{"kind":"anything"}', *(b"Idempotency-Key: " + key for key in keys))
    assert answer.refused(400, "invalid_request")["header"] == "Idempotency-Key"
    assert await store.queued() == 0


@pytest.mark.parametrize("key", [b'"\xc3\xa9"', b"\xff", b"a\tb", b'"a\x7f"', b"a,b", b":YQ==:, b"])
async def test_a_key_that_is_no_printable_ascii_string_is_refused(post: Raw, store: Store, key: bytes) -> None:
    answer = await post(b'{"kind":"anything"}', b"Idempotency-Key: " + key)
    assert answer.refused(400, "invalid_request")
    assert await store.queued() == 0


async def test_a_conflict_names_the_header_and_the_job_that_has_the_key(web: httpx.AsyncClient) -> None:
    job_id = await job_of(web, "one")
    response = await web.post("/api/jobs", json=BODY | {"tags": ["x"]}, headers={"Idempotency-Key": "one"})
    problem = assert_problem(response, 422, "idempotency_conflict")
    assert (problem["header"], problem["job_id"]) == ("Idempotency-Key", job_id)


async def test_the_order_of_members_is_no_other_content(web: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "one", "Content-Type": "application/json"}
    first, second = [
        await web.post("/api/jobs", content=body, headers=headers)
        for body in (b'{"kind":"anything","params":{"a":1,"b":2}}', b'{"params": {"b": 2, "a": 1}, "kind": "anything"}')
    ]
    assert first.json()["job_id"] == second.json()["job_id"]
    assert second.headers["idempotency-replayed"] == "true"


async def test_a_refused_submission_uses_no_key_up(web: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "one"}
    assert (await web.post("/api/jobs", json={"kind": "nothing"}, headers=headers)).status_code == 422
    response = await web.post("/api/jobs", json=BODY, headers=headers)
    assert (response.status_code, "idempotency-replayed" in response.headers) == (202, False)


async def test_of_fifty_at_once_one_makes_the_job_and_the_others_are_replays(
    web: httpx.AsyncClient, store: Store
) -> None:
    posts = [web.post("/api/jobs", json=BODY, headers={"Idempotency-Key": "at-once"}) for _ in range(50)]
    answers = await asyncio.gather(*posts)
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["job_id"] for answer in answers}) == 1
    assert sum("idempotency-replayed" in answer.headers for answer in answers) == 49
    assert len(await store.redis.keys("tidings:{*}:job")) == 1


async def test_owners_do_not_share_keys(web: httpx.AsyncClient, store: Store) -> None:
    mine = await job_of(web, "one")
    theirs = await JobStore(store.redis).submit(submission(owner="other", idempotency_key="one", fingerprint="other"))
    assert not theirs.replayed
    assert theirs.job.job_id != mine
