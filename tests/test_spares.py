"""The process a run gets, and the one that is kept ready for the next."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from app.jobs import Status
from tests.conftest import is_gone
from tests.stage import Stage
from tests.watching import until
from workers.run.spares import Need, Spares

ACTS = Need("tests.acts", None, None)


@pytest.fixture
async def spares() -> AsyncIterator[Spares]:
    async with Spares(600) as kept:
        yield kept


def pids() -> list[int]:
    """Processes of handlers: our children's children, as far as they are not other tests'."""
    return [pid for child in children(os.getpid()) for pid in children(child) if b"workers.run.child" in command(pid)]


def command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


async def used(spares: Spares, need: Need = ACTS) -> int:
    """The process of a run that does nothing."""
    async with spares.process(need) as process:
        await until(lambda: children(process.program.group))
        return children(process.program.group)[0]


async def kept_after(*used: int) -> int:
    """The one spare there is, once those that were used are gone, which takes the kernel a moment."""
    found: list[int] = []

    def one_is_left() -> bool:
        found[:] = pids()
        return len(found) == 1 and found[0] not in used

    await until(one_is_left)
    return found[0]


async def test_the_next_run_gets_the_process_that_waits(spares: Spares) -> None:
    spare = await kept_after(await used(spares))
    assert await used(spares) == spare
    assert is_gone(spare)


async def test_a_need_has_one_spare_and_gets_no_others(spares: Spares) -> None:
    spare = await kept_after(*await asyncio.gather(used(spares), used(spares)))
    assert await used(spares, Need("tests.acts", 1 << 30, None)) != spare
    await until(lambda: len(pids()) == 2)


async def test_when_they_are_left_nothing_waits_any_more() -> None:
    async with Spares(600) as kept:
        spare = await kept_after(await used(kept))
    assert is_gone(spare)
    await used(kept)
    await until(lambda: not pids())


async def test_a_spare_nobody_comes_for_ends() -> None:
    async with Spares(0.3) as kept:
        await kept_after(await used(kept))
        await until(lambda: not pids())


async def test_one_that_has_died_is_not_used(spares: Spares) -> None:
    spare = await kept_after(await used(spares))
    program = (await spares._waiting[ACTS].starting).program
    os.kill(spare, 9)
    await program.exited.wait()
    assert await used(spares) != spare


async def test_without_seconds_to_keep_them_there_are_none() -> None:
    async with Spares(0) as none:
        await used(none)
        await until(lambda: not pids())


async def test_runs_are_what_they_are_without(redis: Redis, tmp_path: Path) -> None:
    stage = Stage(redis, tmp_path)

    async def tell() -> None:
        job = await stage.play("process", deed="facts")
        assert job.status is Status.COMPLETED
        assert job.result[0] == job.job_id

    async with stage.runner.spares:
        for _ in range(3):
            await tell()
        lost = await stage.begin("process", deed="spin")
        assert (await lost.cancel()).status is Status.CANCELLED
        died = await stage.play("process", {"max_attempts": 1}, deed="leave", arguments=[7])
        assert died.error
        assert died.error["code"] == "process_died"
        await tell()
