"""What a worker claims and does not begin: it goes back, whatever got lost on the way."""

from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from app.artifacts import FileStore
from app.errors import Unavailable
from app.settings import Settings
from app.store import Claims, JobStore, Secret, UploadStore
from tests.ground import accepted
from tests.working import CHORES, FAR, history
from workers.claiming import Claiming
from workers.leases import Leases
from workers.registry import Registry
from workers.runner import Runner


class Unheard(JobStore):
    """What it says of claims gets lost while `deaf`; what it is told of jobs while `away`."""

    deaf: bool = False
    away: bool = False

    async def claim(self, *arguments: Any, **options: Any) -> Claims:
        claims = await super().claim(*arguments, **options)
        if self.deaf:
            raise Unavailable
        return claims

    async def apply(self, *arguments: Any, **options: Any) -> Any:
        if self.away:
            raise Unavailable
        return await super().apply(*arguments, **options)


@pytest.fixture
def store(redis: Redis) -> Unheard:
    return Unheard(redis)


@pytest.fixture
def leases(redis: Redis, store: Unheard, tmp_path: Path) -> Leases:
    settings, registry = Settings(data_dir=tmp_path), Registry.load(CHORES)
    runner = Runner(registry, store, UploadStore(redis, 60), FileStore(tmp_path), settings, secret=Secret(redis))
    return Leases(store, runner, FAR)


@pytest.fixture
def claiming(store: Unheard, leases: Leases) -> Claiming:
    return Claiming("w", store, Registry.load(CHORES), leases, queues=["default"], lease_seconds=FAR)


async def is_given_back(jobs: JobStore, job_id: str) -> bool:
    return (await history(jobs, job_id))[-1] == ("pending", "interrupted")


async def test_what_cannot_be_given_back_is_held_until_it_can(
    store: Unheard, leases: Leases, claiming: Claiming
) -> None:
    ids = [await accepted(store, kind="chore") for _ in range(3)]
    runs = (await claiming.claim(3)).runs
    store.away = True
    with pytest.raises(Unavailable):
        await claiming.decline(runs)
    assert set(leases.runs) == set(runs)
    store.away = False
    await claiming.decline(runs)
    assert not leases.runs
    assert all([await is_given_back(store, job_id) for job_id in ids])


async def test_what_the_last_claim_brought_goes_back_though_its_answer_got_lost(
    store: Unheard, leases: Leases, claiming: Claiming
) -> None:
    job_id, later = await accepted(store, kind="chore", priority=1), await accepted(store, kind="chore")
    store.deaf = True
    with pytest.raises(Unavailable):
        await claiming.claim(1)
    store.deaf = False
    await claiming.finish()
    assert await is_given_back(store, job_id)
    assert await history(store, later) == [("pending", "submitted")]
    assert not leases.runs


async def test_a_claim_that_was_answered_is_not_made_again(store: Unheard, leases: Leases, claiming: Claiming) -> None:
    await accepted(store, kind="chore")
    runs = (await claiming.claim(1)).runs
    await claiming.finish()
    assert leases.runs == runs
