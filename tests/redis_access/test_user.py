"""A job's whole life with a Redis user who may do what `deploy/valkey.acl` lists, and nothing else."""

from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from redis.asyncio import Redis
from redis.exceptions import NoPermissionError, ResponseError

from tests.faults.house import until
from tests.faults.service import Service, shared
from tests.redis_access.guarded import denied, guarded, user_url
from tests.webhooks.receiver import answer, receiving

LOCAL: dict[str, Any] = {"webhook_allow_networks": "127.0.0.0/8", "webhook_retry_scale": 0.001}
TUS = {"Tus-Resumable": "1.0.0"}
PIECE = TUS | {"Content-Type": "application/offset+octet-stream"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    async with guarded(tmp_path_factory.mktemp("s"), **LOCAL) as house:
        yield Service(house, await house.web(), await house.worker(concurrency=30))


@pytest_asyncio.fixture(loop_scope="module")
async def stranger(service: Service) -> AsyncIterator[Redis]:
    """Somebody who got hold of the user's password."""
    async with Redis.from_url(user_url(service.house.valkey)) as redis:
        yield redis


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def _nothing_denied(request: pytest.FixtureRequest, service: Service) -> AsyncIterator[None]:
    await service.house.redis.execute_command("ACL", "LOG", "RESET")  # type: ignore[no-untyped-call]  # redis-py
    yield
    if "stranger" not in request.fixturenames:
        assert await denied(service.house) == []


@shared
async def test_jobs_are_submitted_run_read_listed_and_purged(service: Service) -> None:
    api = service.web.api
    request = {"kind": "keeping", "params": {}, "tags": ["a"], "metadata": {"n": 1}}
    key = {"Idempotency-Key": '"one"'}
    first, again = [await api.post("/api/jobs", json=request, headers=key) for _ in range(2)]
    assert again.json() == first.json()
    job = await service.ended(first.json()["job_id"])
    path = first.json()["links"]["self"]
    assert job.status == "completed"
    assert len((await api.get(f"{path}/result", follow_redirects=True)).content) == 1_000
    assert "completed" in (await api.get(f"{path}/events", headers={"Last-Event-ID": "0"})).text
    assert (await api.get(path)).json()["seq"] == job.seq
    assert (await api.get("/api/jobs", params={"tag": "a", "status": "completed"})).json()["jobs"]
    assert (await api.delete(path)).is_success
    assert (await api.get(path)).status_code == 404


@shared
async def test_jobs_fail_are_tried_again_suspended_and_cancelled(service: Service, tmp_path: Path) -> None:
    api = service.web.api
    assert (await service.outcome("failing", how="retry")).attempt == 3
    failed = await service.outcome("failing_process", how="failed")
    assert (await api.post(f"/api/jobs/{failed.job_id}/retry")).status_code == 202
    assert [job.status for job in await service.house.ended(failed.job_id)] == ["failed"]
    late = await service.web.submit("steady", request={"delay_seconds": 600})
    for command in ("suspend", "resume", "cancel"):
        assert (await api.post(f"/api/jobs/{late}/{command}")).is_success
    running = await service.web.submit("gated", gate=str(tmp_path / "gate"))
    await service.house.reached(running, "processing")
    await service.cancel(running)


@shared
async def test_files_come_in_at_once_and_in_pieces(service: Service) -> None:
    api = service.web.api
    whole = (await api.put("/api/uploads/a.txt", content=b"text")).json()["input"]
    name = {"Upload-Length": "4", "Upload-Metadata": f"filename {b64encode(b'a.txt').decode()}"}
    begun = (await api.post("/api/uploads", headers=TUS | name)).headers["location"]
    for offset in (0, 2):
        piece = await api.patch(begun, content=b"te", headers=PIECE | {"Upload-Offset": str(offset)})
        assert piece.status_code == 204
    in_pieces = (await api.get(begun)).json()["input"]
    for input_ in (whole, in_pieces):
        assert (await service.outcome("sizing", input=input_)).result == 4
    given_up = (await api.post("/api/uploads", headers=TUS | name)).headers["location"]
    for ended in (begun, given_up):
        assert (await api.delete(ended, headers=TUS)).status_code == 204


@shared
async def test_a_job_waits_and_is_called_back(service: Service, tmp_path: Path) -> None:
    url, gate, found = tmp_path / "url", tmp_path / "gate", tmp_path / "found"
    gate.touch()
    found.write_text("paid")
    job_id = await service.web.submit("called", url=str(url), gate=str(gate))

    async def waits() -> bool:
        return (await service.house.job(job_id)).waiting_for == "callback"

    await until(waits)
    path = urlsplit(url.read_text()).path
    for what, body in (("/progress", {"percent": 5}), ("/heartbeat", {}), ("", {"paid": 5})):
        assert (await service.web.api.post(path + what, json=body)).is_success
    assert (await service.ended(job_id)).result == [{"paid": 5}, 1]
    sought = await service.outcome("sought", found=str(found), begun=str(tmp_path / "begun"))
    assert sought.result == ["paid", 1]


@shared
async def test_webhooks_are_signed_sent_tried_again_and_sent_by_hand(service: Service) -> None:
    api = service.web.api
    made = (await api.post("/api/webhooks/secrets")).json()["secret_id"]
    assert made in str((await api.get("/api/webhooks/secrets")).json())
    async with receiving() as receiver:
        receiver.will(answer(500), answer())
        job = await service.outcome("steady", request={"callback_url": receiver.url}, steps=1, seconds=0)
        deliveries = f"/api/jobs/{job.job_id}/deliveries"

        async def delivered() -> bool:
            (one,) = (await api.get(deliveries)).json()["deliveries"]
            return bool(one["status"] == "delivered")

        await until(delivered)
        assert (await api.post(f"{deliveries}/1/redeliver")).is_success
        await until(delivered)
        assert (await api.post("/api/deliveries/redeliver")).is_success
    assert len(receiver.requests) >= 2
    assert (await api.delete(f"/api/webhooks/secrets/{made}")).status_code == 204


@shared
async def test_batches_run_are_watched_and_cancelled(service: Service) -> None:
    api = service.web.api
    jobs = [{"kind": "failing", "params": {"how": "failed"}}, {"kind": "steady", "params": {"steps": 1}}]
    async with receiving() as receiver:
        order = {"jobs": jobs * 20, "tags": ["b"], "callback_url": receiver.url}
        path = (await api.post("/api/batches", json=order)).json()["links"]["self"]
        assert "event: completed" in (await api.get(f"{path}/events", headers={"Accept": "text/event-stream"})).text
        assert (await api.post(f"{path}/retry")).status_code == 202

        async def told_twice() -> bool:
            return len(receiver.requests) >= 2

        await until(told_twice)
    assert (await api.get(path)).json()["counts"]["failed"] == 20
    slow = {"kind": "steady", "params": {"steps": 600}}
    path = (await api.post("/api/batches", json={"jobs": [slow] * 40})).json()["links"]["self"]
    assert (await api.post(f"{path}/cancel")).is_success

    async def cancelled() -> bool:
        return bool((await api.get(path)).json().get("counts", {}).get("cancelled") == 40)

    await until(cancelled)


@shared
async def test_queues_and_kinds_are_paused_and_streams_opened(service: Service) -> None:
    api = service.web.api
    for thing in ("queues/default", "kinds/steady"):
        for command in ("pause", "resume"):
            assert (await api.post(f"/api/{thing}/{command}")).is_success
    assert (await api.get("/api/queues")).json()["queues"]
    assert (await api.get("/api/kinds")).json()["kinds"]
    async with api.stream("GET", "/api/events") as feed:
        assert "retry" in await anext(feed.aiter_lines())


@shared
async def test_what_has_expired_is_swept(service: Service) -> None:
    job = await service.outcome("keeping", request={"result_ttl_seconds": 1})

    async def swept() -> bool:
        return not await service.house.redis.zscore("tidings:expiring", job.job_id)

    async def expired() -> bool:
        return (await service.web.api.get(f"/api/jobs/{job.job_id}/result")).status_code == 410

    await until(expired)
    await service.house.worker(concurrency=0)  # it sweeps as it begins
    await until(swept)


@shared
@pytest.mark.parametrize(
    "command",
    [
        "GET other",
        "SET other x",
        "GET arq:queue",
        "KEYS *",
        "SCAN 0",
        "FLUSHALL",
        "CONFIG GET *",
        "ACL LIST",
        "SHUTDOWN",
        "PUBLISH other x",
        "SUBSCRIBE other",
        "SCRIPT FLUSH",
        "CLIENT LIST",
        "MONITOR",
        "WAIT 0 0",
        "REPLICAOF other 1",
        "MIGRATE other 1 tidings:kinds 0 1",
    ],
)
async def test_nothing_else_is_open_to_the_user(service: Service, stranger: Redis, command: str) -> None:
    with pytest.raises(NoPermissionError):
        await stranger.execute_command(*command.split())  # type: ignore[no-untyped-call]  # redis-py


@shared
async def test_a_script_of_the_user_reaches_no_more_than_the_user(service: Service, stranger: Redis) -> None:
    digest = await stranger.script_load("return redis.call('GET', 'other')")
    with pytest.raises(ResponseError, match=r"permission|ACL|NOPERM"):
        await stranger.evalsha(digest, 0)  # type: ignore[misc]  # redis-py
