import httpx
import pytest

from tests.web.conftest import Store, assert_problem


async def claimable(store: Store) -> int:
    claims = await store.jobs.claim("w1", ["default"], 9, lease_ms=60_000, kinds=["anything", "transcode"])
    return len(claims.runs)


async def test_the_queues_are_listed_with_what_waits_and_runs_in_them(web: httpx.AsyncClient, store: Store) -> None:
    await store.claimed()
    await store.submitted()
    await store.submitted()
    await store.submitted(delay_ms=60_000)
    (queue,) = (await web.get("/api/queues")).json()["queues"]
    assert 0 <= queue.pop("lag_seconds") < 60
    assert queue == {
        "queue": "default",
        "paused": False,
        "waiting": 2,
        "delayed": 1,
        "running": 1,
        "started_per_minute": 1,
        "ended_per_minute": 0,
    }


async def test_nothing_in_a_paused_queue_is_started_until_it_is_resumed(web: httpx.AsyncClient, store: Store) -> None:
    await store.submitted()
    assert (await web.post("/api/queues/default/pause")).json()["paused"] is True
    assert await claimable(store) == 0
    assert (await web.post("/api/queues/default/resume")).json()["paused"] is False
    assert await claimable(store) == 1


async def test_nothing_of_a_paused_kind_is_started_but_others_are(web: httpx.AsyncClient, store: Store) -> None:
    await store.submitted("anything")
    await store.submitted("transcode")
    assert (await web.post("/api/kinds/anything/pause")).json()["paused"] is True
    listed = {kind["kind"]: kind["paused"] for kind in (await web.get("/api/kinds")).json()["kinds"]}
    assert listed == {"anything": True, "transcode": False}
    assert await claimable(store) == 1
    assert (await web.post("/api/kinds/anything/resume")).json()["paused"] is False
    assert await claimable(store) == 1


async def test_a_worker_that_waits_is_woken_when_a_queue_is_resumed(web: httpx.AsyncClient, store: Store) -> None:
    await web.post("/api/queues/default/pause")
    await store.redis.delete("tidings:nudge:default")
    await web.post("/api/queues/default/resume")
    assert await store.redis.llen("tidings:nudge:default") == 1  # type: ignore[misc]  # redis-py


@pytest.mark.parametrize("move", ["pause", "resume"])
async def test_what_no_worker_has_announced_cannot_be_paused(web: httpx.AsyncClient, move: str) -> None:
    assert_problem(await web.post(f"/api/queues/nothing/{move}"), 404, "unknown_queue")
    assert_problem(await web.post(f"/api/kinds/nothing/{move}"), 404, "no_such_kind")


async def test_jobs_are_found_by_their_metadata(web: httpx.AsyncClient) -> None:
    for customer, paid in (("acme", True), ("acme", False), ("other", True)):
        body = {"kind": "anything", "metadata": {"customer": customer, "paid": paid, "n": 7}}
        await web.post("/api/jobs", json=body)
    listed = await web.get("/api/jobs", params={"metadata": ["customer:acme", "paid:true", "n:7"]})
    assert [job["metadata"] for job in listed.json()["jobs"]] == [{"customer": "acme", "paid": True, "n": 7}]
    assert_problem(await web.get("/api/jobs?metadata=acme"), 400, "invalid_request")
