"""Asking how a job stands, on a real server: what is answered, how often, and what is told of it."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from app.main import create_app
from app.settings import Settings
from app.store.jobs import job_channel
from tests.still_store import Clock, standing
from tests.web.conftest import ANYTHING, TRANSCODE, Store, assert_refused, served
from tests.working import sooner_or_later

BURST = 20
QUOTA_EXCEEDED = "https://iana.org/assignments/http-problem-types#quota-exceeded"


@pytest.fixture(autouse=True)
def _standing() -> Iterator[None]:
    with standing():
        yield


@pytest.fixture
async def address(settings: Settings, clock: Clock, store: Store) -> AsyncIterator[str]:
    """Its jobs go by a clock that stands."""
    await store.kinds.announce([TRANSCODE, ANYTHING])
    async with served(create_app(settings)) as url:
        yield url


async def polls(web: httpx.AsyncClient, job_id: str, count: int, **headers: str) -> list[int]:
    """What they are answered."""
    return [(await web.get(f"/api/jobs/{job_id}", headers=headers)).status_code for _ in range(count)]


async def waiting(web: httpx.AsyncClient, store: Store, job_id: str) -> asyncio.Task[httpx.Response]:
    """A poll that waits for what comes after seq 2, once it listens."""
    wanted = {"Prefer": "wait=30", "If-None-Match": '"2"'}
    poll = asyncio.create_task(web.get(f"/api/jobs/{job_id}", headers=wanted, timeout=30))

    async def listens() -> bool:
        ((_, count),) = await store.redis.pubsub_numsub(job_channel(job_id))
        return bool(count)

    await sooner_or_later(listens)
    return poll


async def test_the_twenty_first_poll_in_a_row_is_told_when_to_come_again(web: httpx.AsyncClient, store: Store) -> None:
    job = await store.submitted()
    assert await polls(web, job.job_id, BURST) == [200] * BURST
    response = await web.get(f"/api/jobs/{job.job_id}")
    problem = assert_refused(response, 429, "poll_too_fast", QUOTA_EXCEEDED)
    assert (problem["retry_after"], problem["job_id"]) == (3, job.job_id)
    assert response.headers["retry-after"] == "3"
    assert response.headers["ratelimit-policy"] == '"poll";q=20;w=60'
    assert response.headers["ratelimit"] == '"poll";r=0;t=3'


async def test_every_answer_tells_what_is_left(web: httpx.AsyncClient, store: Store) -> None:
    job = await store.submitted()
    for left in (19, 18):
        response = await web.get(f"/api/jobs/{job.job_id}")
        assert response.headers["ratelimit"] == f'"poll";r={left};t=3'
        assert response.headers["ratelimit-policy"] == '"poll";q=20;w=60'
        assert response.headers["retry-after"] == "3"


async def test_who_comes_again_when_told_is_answered(web: httpx.AsyncClient, store: Store, clock: Clock) -> None:
    job = await store.submitted()
    await polls(web, job.job_id, BURST)
    for _ in range(50):
        response = await web.get(f"/api/jobs/{job.job_id}")
        assert response.status_code == 429
        await clock.move(int(response.headers["retry-after"]) * 1_000)
        assert await polls(web, job.job_id, 1) == [200]


async def test_an_answer_without_news_costs_what_one_with_news_does(web: httpx.AsyncClient, store: Store) -> None:
    job = await store.submitted()
    assert await polls(web, job.job_id, BURST + 1, **{"If-None-Match": '"1"'}) == [304] * BURST + [429]


async def test_a_head_is_a_poll(web: httpx.AsyncClient, store: Store) -> None:
    job = await store.submitted()
    heads = [await web.head(f"/api/jobs/{job.job_id}") for _ in range(BURST + 1)]
    assert [head.status_code for head in heads] == [200] * BURST + [429]
    assert heads[-1].content == b""


async def test_each_job_has_its_own_count(web: httpx.AsyncClient, store: Store) -> None:
    one, other = await store.submitted(), await store.submitted()
    await polls(web, one.job_id, BURST)
    assert await polls(web, other.job_id, 1) == [200]


@pytest.mark.parametrize(("path", "status"), [("events", 200), ("result", 409)])
async def test_the_log_and_a_result_that_is_not_ready_count_with_it(
    web: httpx.AsyncClient, store: Store, path: str, status: int
) -> None:
    job = await store.submitted()
    headers = {"Accept": "application/json"}
    answers = [await web.get(f"/api/jobs/{job.job_id}/{path}", headers=headers) for _ in range(BURST)]
    assert [answer.status_code for answer in answers] == [status] * BURST
    response = await web.get(f"/api/jobs/{job.job_id}/{path}", headers=headers)
    assert_refused(response, 429, "poll_too_fast", QUOTA_EXCEEDED)
    assert response.headers["retry-after"] == "3"
    assert await polls(web, job.job_id, 1) == [429]


async def test_a_log_says_when_to_ask_again_until_the_job_has_ended(web: httpx.AsyncClient, store: Store) -> None:
    run = await store.claimed()
    headers = {"Accept": "application/json"}
    assert (await web.get(f"/api/jobs/{run.job_id}/events", headers=headers)).headers["retry-after"] == "3"
    await store.apply(run, "completed", {"result": None})
    assert "retry-after" not in (await web.get(f"/api/jobs/{run.job_id}/events", headers=headers)).headers


async def test_a_result_that_is_ready_is_not_counted(web: httpx.AsyncClient, store: Store) -> None:
    run = await store.completed(result=1)
    await polls(web, run.job_id, BURST)
    assert (await web.get(f"/api/jobs/{run.job_id}/result")).status_code == 200


async def test_a_stream_is_never_refused_for_polls(web: httpx.AsyncClient, store: Store) -> None:
    run = await store.completed(result=1)
    await polls(web, run.job_id, BURST)
    assert (await web.get(f"/api/jobs/{run.job_id}/events")).status_code == 200


async def test_a_wait_that_brings_news_costs_nothing(web: httpx.AsyncClient, store: Store, clock: Clock) -> None:
    run = await store.claimed()
    poll = await waiting(web, store, run.job_id)
    await store.apply(run, "log", {"level": "info", "line": "x"})
    response = await poll
    assert (response.status_code, response.headers["ratelimit"]) == (200, '"poll";r=20;t=3')


async def test_a_wait_that_runs_out_costs_one(web: httpx.AsyncClient, store: Store) -> None:
    async def runs_out(**known: str) -> tuple[int, str]:
        job = await store.submitted()
        wanted = {"Prefer": "wait=1"} | known
        response = await web.get(f"/api/jobs/{job.job_id}", headers=wanted, timeout=30)
        return response.status_code, response.headers["ratelimit"]

    tagged, any_tag = {"If-None-Match": '"1"'}, {"If-None-Match": "*"}
    answers = await asyncio.gather(runs_out(**tagged), runs_out(**any_tag), runs_out())
    assert [status for status, _ in answers] == [304, 304, 200]
    assert {limit for _, limit in answers} == {'"poll";r=19;t=3'}


async def test_news_of_a_near_end_makes_the_next_poll_come_sooner_and_no_header_says_otherwise(
    web: httpx.AsyncClient, store: Store, clock: Clock
) -> None:
    run = await store.claimed()
    await clock.move(3_600_000)
    assert (await web.get(f"/api/jobs/{run.job_id}")).headers["ratelimit"] == '"poll";r=19;t=60'
    poll = await waiting(web, store, run.job_id)
    await store.apply(run, "progress", {"percent": 99, "eta_seconds": 1})
    response = await poll
    assert (response.status_code, response.headers["retry-after"]) == (200, "3")
    assert response.headers["ratelimit"] == '"poll";r=19;t=3'


async def test_the_burst_is_a_setting(settings: Settings, clock: Clock, store: Store) -> None:
    job = await store.submitted()
    few = settings.model_copy(update={"poll_burst": 2})
    async with served(create_app(few)) as url, httpx.AsyncClient(base_url=url, trust_env=False) as web:
        assert await polls(web, job.job_id, 3) == [200, 200, 429]
