"""A step called again and again, whatever becomes of it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from app import periodic
from app.errors import Unavailable
from app.periodic import Periodic, backoff
from tests.watching import until


@asynccontextmanager
async def going(step: Callable[[], Awaitable[float]]) -> AsyncIterator[Periodic]:
    made = Periodic("step", step)
    task = asyncio.create_task(made.run())
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


class Step:
    """Answers `delay`, or raises what is next in `errors`."""

    def __init__(self, *errors: Exception, delay: float = 600) -> None:
        self.calls = 0
        self._errors = list(errors)
        self._delay = delay

    async def __call__(self) -> float:
        self.calls += 1
        if self._errors:
            raise self._errors.pop(0)
        return self._delay


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(periodic, "FIRST_BACKOFF_SECONDS", 0.001)


def test_the_pause_grows_from_a_tenth_of_a_second_to_five() -> None:
    assert [backoff(failures) for failures in (0, 1, 2, 3, 4, 5, 6, 1000)] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


async def test_it_is_called_at_once_and_when_its_answer_is_over() -> None:
    step = Step(delay=0.001)
    async with going(step):
        await until(lambda: step.calls > 3)


async def test_a_wake_does_not_wait_for_that() -> None:
    step = Step()
    async with going(step) as made:
        await until(lambda: step.calls == 1)
        made.wake()
        await until(lambda: step.calls == 2)


async def test_a_wake_during_the_call_brings_one_more() -> None:
    calls = 0

    async def step() -> float:
        nonlocal calls
        calls += 1
        if calls == 1:
            made.wake()
            made.wake()
        return 600

    made = Periodic("step", step)
    task = asyncio.create_task(made.run())
    await until(lambda: calls == 2)
    made.stop()
    await task
    assert calls == 2


async def test_a_stop_lets_the_call_under_way_end() -> None:
    gate, ended = asyncio.Event(), False

    async def step() -> float:
        nonlocal ended
        await gate.wait()
        ended = True
        return 600

    made = Periodic("step", step)
    task = asyncio.create_task(made.run())
    await asyncio.sleep(0)
    made.stop()
    gate.set()
    await task
    assert ended


@pytest.mark.usefixtures("_quick")
async def test_an_outage_is_told_at_its_beginning_and_its_end() -> None:
    step = Step(*(Unavailable() for _ in range(4)))
    with capture_logs() as logs:
        async with going(step):
            await until(lambda: step.calls == 5)
    assert [line["action"] for line in logs] == ["step.failed", "step.recovered"]
    assert not logs[0]["exc_info"]
    assert logs[1]["failures"] == 4


@pytest.mark.usefixtures("_quick")
async def test_a_bug_is_told_each_time_and_ends_nothing() -> None:
    step = Step(ValueError("a bug"), ValueError("a bug"))
    with capture_logs() as logs:
        async with going(step):
            await until(lambda: step.calls == 3)
    assert [line["exc_info"] for line in logs if line["action"] == "step.failed"] == [True, True]
