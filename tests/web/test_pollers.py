"""Who asks too often is counted, and who does not costs nothing."""

import httpx
import pytest

from app.settings import Settings
from app.store import BatchStore, Order
from app.store.pollers import KEY
from tests.ground import submission
from tests.web.conftest import Store

BATCH = "abcdefghijklmnopqrstuvwx22"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"poll_burst": 2})


async def refused(web: httpx.AsyncClient, path: str, times: int) -> None:
    """Asks till then."""
    while times:
        times -= (await web.get(path)).status_code == 429


async def test_the_worst_pollers_come_first(web: httpx.AsyncClient, store: Store) -> None:
    once, often = [(await store.submitted()).job_id for _ in range(2)]
    await BatchStore(store.redis).accept(Order(BATCH, "default", [submission()]))
    await refused(web, f"/api/jobs/{once}", 1)
    await refused(web, f"/api/jobs/{often}", 3)
    await refused(web, f"/api/batches/{BATCH}", 2)
    pollers = (await web.get("/api/pollers")).json()["pollers"]
    assert [(p["owner"], p["job_id"], p["batch_id"], p["refused"]) for p in pollers] == [
        ("default", often, None, 3),
        ("default", None, BATCH, 2),
        ("default", once, None, 1),
    ]
    assert all(poller["last_at"] for poller in pollers)


async def test_who_is_not_refused_is_not_written_down(web: httpx.AsyncClient, store: Store) -> None:
    job = await store.submitted()
    assert (await web.get(f"/api/jobs/{job.job_id}")).status_code == 200
    assert not await store.redis.exists(KEY, f"{KEY}:refused")
    assert (await web.get("/api/pollers")).json() == {"pollers": []}


async def test_a_thousand_are_known_and_who_was_refused_long_ago_makes_room(
    web: httpx.AsyncClient, store: Store
) -> None:
    seconds, _ = await store.redis.time()
    known = {f"job {n:026d} them": seconds * 1000 - 10_000 + n for n in range(1_000)}
    forgotten = "job 99999999999999999999999999 them"
    await store.redis.zadd(KEY, known | {forgotten: seconds * 1000 - 3_700_000})
    await store.redis.hset(f"{KEY}:refused", mapping=dict.fromkeys([*known, forgotten], "7"))  # type: ignore[misc]  # redis-py
    assert len((await web.get("/api/pollers")).json()["pollers"]) == 100
    job = await store.submitted()
    await refused(web, f"/api/jobs/{job.job_id}", 2)
    left = [member.decode() for member in await store.redis.zrange(KEY, 0, -1)]
    assert len(left) == 1_000
    assert f"job {job.job_id} default" in left
    assert not {forgotten, f"job {0:026d} them"} & set(left)
    assert await store.redis.hlen(f"{KEY}:refused") == 1_000  # type: ignore[misc]  # redis-py
    assert await store.redis.ttl(KEY) > 0
    assert await store.redis.ttl(f"{KEY}:refused") > 0
