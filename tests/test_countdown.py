from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from app.jobs import Status
from tests.stage import Stage
from workers.handlers.countdown import countdown
from workers.signature import Signature


async def test_it_counts_down_and_tells_each_step(redis: Redis, tmp_path: Path) -> None:
    stage = Stage(redis, tmp_path)
    job = await stage.play("countdown", seconds=0.4, steps=4)
    assert (job.status, job.result) == (Status.COMPLETED, {"seconds": 0.4, "steps": 4})
    assert job.progress
    assert job.progress["percent"] == 100
    assert job.progress["message"] == "lift-off"


@pytest.mark.parametrize("params", [{"seconds": -1}, {"seconds": 1e9}, {"steps": 0}, {"steps": 10_001}, {"steps": "x"}])
async def test_its_bounds_hold(redis: Redis, tmp_path: Path, params: dict[str, Any]) -> None:
    job = await Stage(redis, tmp_path).play("countdown", **params)
    assert job.error
    assert job.error["code"] == "rejected"


def test_its_bounds_are_in_the_schema() -> None:
    properties = Signature(countdown).schema["properties"]
    assert (properties["seconds"]["default"], properties["seconds"]["minimum"]) == (10, 0)
    assert (properties["steps"]["default"], properties["steps"]["minimum"]) == (10, 1)
