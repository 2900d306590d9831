"""The hosts disagree on what time it is: web an hour ahead, a worker an hour behind. Only Redis's clock counts."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import pytest_asyncio

from app.events import Event
from app.store import UploadStore
from tests.faults.house import LEASE_SECONDS, ROOT, House, Process, Web, until
from tests.faults.service import shared

HOUR: Final = 3600
UPLOAD_TTL_SECONDS: Final = 3
SLACK_SECONDS: Final = 2.0
"""The fallback, and a loaded machine."""

Measured = Callable[[str, float], None]


@dataclass
class Hosts:
    """`behind` is the only worker there is at first."""

    house: House
    web: Web
    behind: Process

    async def done(self, kind: str, request: dict[str, Any] | None = None, **params: Any) -> Sequence[Event]:
        """The log of a job that has ended."""
        job_id = await self.web.submit(kind, request=request, **params)
        await self.house.ended(job_id)
        return await self.house.log(job_id)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hosts(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hosts]:
    """For all tests here that harm none of them."""
    async with House(tmp_path_factory.mktemp("c")) as house:
        yield await hosts_of(house)


async def hosts_of(house: House) -> Hosts:
    """A worker behind, a web process ahead; both have it wrong, and by as much as they should."""
    web, behind = await asyncio.gather(
        house.web(prefix=skewed(HOUR), upload_ttl_seconds=UPLOAD_TTL_SECONDS), house.worker(prefix=skewed(-HOUR))
    )
    date = parsedate_to_datetime((await web.api.get("/livez")).headers["Date"])
    assert abs(date.timestamp() - time.time() - HOUR) < 60
    assert abs(moment((await behind.logged("worker.started"))["timestamp"]) - time.time() + HOUR) < 60
    return Hosts(house, web, behind)


def skewed(seconds: int) -> tuple[str, ...]:
    """What has a command's clock go wrong by so much."""
    return ("env", f"PYTHONPATH={Path(__file__).parent / 'skewed'}:{ROOT}", f"SKEW_SECONDS={seconds}")


@shared
async def test_every_delay_and_deadline_of_a_job_is_as_long_as_it_should_be(hosts: Hosts) -> None:
    at_once, delayed, again, too_long, unanswered = await asyncio.gather(
        hosts.done("steady", steps=1, seconds=0),
        hosts.done("steady", {"delay_seconds": 2}, steps=1, seconds=0),
        hosts.done("failing", {"max_attempts": 2}, how="retry", after=2),
        hosts.done("steady", {"timeout_seconds": 2, "max_attempts": 1}, steps=600),
        hosts.done("patient", seconds=2),
    )
    assert seconds_between(at_once, "pending", "processing") < SLACK_SECONDS
    assert 2 <= seconds_between(delayed, "pending", "processing") < 2 + SLACK_SECONDS
    assert 2 <= seconds_between(again[2:], "pending", "processing") < 2 + SLACK_SECONDS
    assert too_long[-1].parsed()["error"]["code"] == "timeout"
    assert 2 <= seconds_between(too_long, "processing", "failed") < 2 + SLACK_SECONDS
    assert unanswered[-1].parsed()["error"]["code"] == "callback_timeout"
    assert 2 <= seconds_between(unanswered, "waiting", "failed") < 2 + SLACK_SECONDS


@shared
async def test_the_times_that_web_tells_are_those_of_the_store(hosts: Hosts) -> None:
    answer = await hosts.web.api.post("/api/jobs", json={"kind": "steady", "params": {"steps": 100}})
    assert answer.headers["Retry-After"] == "3", "as for a job that is new"
    assert abs(moment(answer.json()["created_at"]) - time.time()) < SLACK_SECONDS
    job_id = answer.json()["job_id"]
    await hosts.house.reached(job_id, "processing")
    assert int((await hosts.web.api.get(f"/api/jobs/{job_id}")).headers["Retry-After"]) < 60


@shared
async def test_results_and_uploads_are_kept_for_as_long_as_they_should_be(hosts: Hosts) -> None:
    house, api = hosts.house, hosts.web.api
    short, long = [await hosts.web.submit("keeping", request={"result_ttl_seconds": ttl}) for ttl in (1, 600)]
    upload = (await api.put("/api/uploads/some.bin", content=b"x" * 1_000)).json()
    assert abs(moment(upload["expires_at"]) - time.time() - UPLOAD_TTL_SECONDS) < SLACK_SECONDS
    assert (await hosts.done("sizing", input=upload["input"]))[-1].parsed()["result"] == 1_000
    unused = (await api.put("/api/uploads/some.bin", content=b"x")).json()

    for job, ttl in zip(await house.ended(short, long), (1, 600), strict=True):
        assert job.finished_at
        assert job.expires_at == job.finished_at + ttl * 1_000
    assert (await api.get(f"/api/jobs/{long}/result")).status_code == 200
    await until(lambda: answers(api, f"/api/jobs/{short}/result", 410))
    assert time.time() > ((await house.job(short)).expires_at or 0) / 1_000
    await until(lambda: is_gone(house, unused["upload_id"]))
    assert time.time() > moment(unused["expires_at"])
    refused = await api.post("/api/jobs", json={"kind": "sizing", "params": {"input": unused["input"]}})
    assert refused.json()["code"] == "unknown_input"
    assert (await api.get(f"/api/jobs/{long}/result")).status_code == 200


async def test_jobs_of_a_killed_worker_run_again_on_a_host_with_another_time(
    house: House, short_path: Path, measured: Measured
) -> None:
    hosts, gate = await hosts_of(house), short_path / "gate"
    job_id = await hosts.web.submit("gated", gate=str(gate))
    await house.reached(job_id, "processing")
    await house.worker(prefix=skewed(HOUR))
    assert (await house.job(job_id)).attempt == 1, "a host that is ahead took its lease for over"
    killed_at = time.monotonic()
    hosts.behind.kill()

    await until(lambda: in_attempt(house, job_id, 2))
    took = time.monotonic() - killed_at
    measured("worker killed, clocks two hours apart: its job runs again", took)
    assert took < LEASE_SECONDS + 2
    gate.touch()
    (job,) = await house.ended(job_id)
    assert (job.status, job.attempt) == ("completed", 2)


def moment(text: str) -> float:
    """Seconds since 1970."""
    return datetime.fromisoformat(text).timestamp()


def seconds_between(log: Sequence[Event], earlier: str, later: str) -> float:
    """From the first event of the one type to the first of the other, by the store's clock."""
    at = {event.type: event.at for event in reversed(log)}
    return (at[later] - at[earlier]) / 1_000


async def in_attempt(house: House, job_id: str, number: int) -> bool:
    return (await house.job(job_id)).attempt == number


async def answers(api: httpx.AsyncClient, url: str, status: int) -> bool:
    return (await api.get(url)).status_code == status


async def is_gone(house: House, upload_id: str) -> bool:
    return await UploadStore(house.redis, UPLOAD_TTL_SECONDS).find(upload_id) is None
