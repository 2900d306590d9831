"""How runs come to their end at shutdown."""

import asyncio

import pytest

from tests.watching import until
from tests.working import FAR
from workers import drain as drain_module
from workers.drain import Drain


class Interrupts:
    """Counts them, and lets what waits for `heard` end."""

    def __init__(self) -> None:
        self.count = 0
        self.heard = asyncio.Event()

    def __call__(self) -> None:
        self.count += 1
        self.heard.set()


@pytest.fixture
def interrupts() -> Interrupts:
    return Interrupts()


@pytest.fixture
def drain(interrupts: Interrupts) -> Drain:
    return Drain(interrupts)


@pytest.fixture
def _no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain_module, "UNWIND_SECONDS", 0.01)
    monkeypatch.setattr(drain_module, "ABANDON_SECONDS", 0.01)


async def ignore_cancel(until_then: asyncio.Event) -> None:
    while not until_then.is_set():
        try:
            await until_then.wait()
        except asyncio.CancelledError:
            continue


async def test_what_ends_within_the_grace_is_left_alone(drain: Drain, interrupts: Interrupts) -> None:
    gate = asyncio.Event()
    drain.watch(asyncio.ensure_future(_passing(gate)))
    drain.begin(FAR)
    gate.set()
    await drain.wait()
    await drain.finish()
    assert (interrupts.count, drain.stuck) == (0, False)


async def test_what_outlasts_it_is_interrupted(drain: Drain, interrupts: Interrupts) -> None:
    drain.watch(asyncio.ensure_future(_passing(interrupts.heard)))
    drain.begin(0.01)
    await drain.wait()
    await drain.finish()
    assert (interrupts.count, drain.interrupting, drain.stuck) == (1, True, False)


async def test_a_second_call_shortens_the_grace(drain: Drain, interrupts: Interrupts) -> None:
    drain.watch(asyncio.ensure_future(_passing(interrupts.heard)))
    drain.begin(FAR)
    drain.begin(0)
    await drain.wait()
    await drain.finish()
    assert interrupts.count == 1


@pytest.mark.usefixtures("_no_patience")
async def test_what_does_not_heed_the_interrupt_is_cancelled(drain: Drain) -> None:
    task = asyncio.create_task(_passing(asyncio.Event()))
    drain.watch(task)
    drain.begin(0)
    await drain.wait()
    assert not task.done()
    await drain.finish()
    assert task.cancelled()
    assert not drain.stuck


@pytest.mark.usefixtures("_no_patience")
async def test_what_does_not_even_heed_that_is_left_behind(drain: Drain) -> None:
    gate = asyncio.Event()
    task = asyncio.create_task(ignore_cancel(gate))
    drain.watch(task)
    await asyncio.sleep(0)
    drain.begin(0)
    await drain.wait()
    await drain.finish()
    assert drain.stuck
    gate.set()
    await until(task.done)


async def test_with_nothing_running_there_is_nothing_to_wait_for(drain: Drain) -> None:
    drain.begin(FAR)
    await drain.wait()
    await drain.finish()


async def _passing(gate: asyncio.Event) -> None:
    await gate.wait()
