"""A worker is gone between the wait, the callback and the run that goes on with it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.faults.house import LEASE_SECONDS, House, Web, until
from tests.faults.watcher import assert_contiguous


async def called_back(web: Web, url: Path, body: Any) -> httpx.Response:
    """As the outside system does, which knows nothing but the URL."""
    return await web.api.post(urlsplit(url.read_text()).path, json=body)


async def test_a_callback_that_comes_while_no_worker_is_left_is_kept(house: House, short_path: Path) -> None:
    url, gate = short_path / "url", short_path / "gate"
    gate.touch()
    web, worker = await house.web(), await house.worker()
    job_id = await web.submit("called", url=str(url), gate=str(gate))
    await until(lambda: is_waiting(house, job_id))
    worker.kill()
    assert (await called_back(web, url, {"paid": 5})).status_code == 202
    assert (await called_back(web, url, {"paid": 5})).json() == {"outcome": "duplicate"}
    await house.worker()
    (job,) = await house.ended(job_id)
    assert (job.status, job.result) == ("completed", [{"paid": 5}, 1])
    assert_contiguous(await house.log(job_id))


async def test_a_job_whose_worker_is_killed_after_the_callback_goes_on_with_it_elsewhere(
    house: House, short_path: Path, measured: Callable[[str, float], None]
) -> None:
    url, gate = short_path / "url", short_path / "gate"
    web, lost = await house.web(), await house.worker()
    job_id = await web.submit("called", url=str(url), gate=str(gate))
    await until(lambda: is_waiting(house, job_id))
    assert (await called_back(web, url, {"paid": 5})).status_code == 202
    await until(lambda: has_begun(house, job_id, 2))
    await house.worker()
    lost.kill()
    measured("worker killed after a callback: the job goes on", await until(lambda: has_begun(house, job_id, 3)))
    gate.touch()
    (job,) = await house.ended(job_id)
    assert (job.status, job.result) == ("completed", [{"paid": 5}, 2])
    assert_contiguous(await house.log(job_id))


async def test_a_look_that_is_lost_with_its_worker_is_made_up_for(house: House, short_path: Path) -> None:
    found, begun = short_path / "found", short_path / "begun"
    web, lost = await house.web(), await house.worker()
    job_id = await web.submit("sought", found=str(found), begun=str(begun))
    await until(lambda: exists(begun))
    lost.kill()
    found.write_text("paid")
    await house.worker()
    (job,) = await house.ended(job_id, seconds=LEASE_SECONDS + 60)
    assert (job.status, job.result) == ("completed", ["paid", 1])
    assert_contiguous(await house.log(job_id))


async def is_waiting(house: House, job_id: str) -> bool:
    return (await house.job(job_id)).waiting_for == "callback"


async def has_begun(house: House, job_id: str, times: int) -> bool:
    return [event.type for event in await house.log(job_id)].count("processing") == times


async def exists(file: Path) -> bool:
    return file.exists()
