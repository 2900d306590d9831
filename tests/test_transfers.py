import asyncio
from threading import Event, Lock

import pytest

from app.objects import Told, untold
from app.transfers import AT_ONCE, Transfers


async def test_the_answer_and_what_is_raised_come_back() -> None:
    seen: list[int] = []

    def move(size: int, told: Told) -> int:
        told(size)
        return size + 1

    assert await Transfers().run(move, 3, told=seen.append) == 4
    assert seen == [3]
    with pytest.raises(ZeroDivisionError):
        await Transfers().run(lambda _: 1 / 0)


async def test_no_more_than_so_many_move_at_once() -> None:
    transfers, lock, gate = Transfers(), Lock(), Event()
    most = moving = 0

    def move(_: Told) -> None:
        nonlocal most, moving
        with lock:
            moving += 1
            most = max(most, moving)
        gate.wait()
        with lock:
            moving -= 1

    tasks = [asyncio.create_task(transfers.run(move)) for _ in range(3 * AT_ONCE)]
    async with asyncio.timeout(20):
        while moving < AT_ONCE:
            await asyncio.sleep(0.001)
        gate.set()
        await asyncio.gather(*tasks)
    assert most == AT_ONCE


async def test_a_cancelled_move_ends_at_its_next_piece_and_is_waited_for() -> None:
    begun, gate = Event(), Event()
    ended: list[str] = []

    def move(told: Told) -> None:
        begun.set()
        gate.wait()
        try:
            told(1)
        except InterruptedError:
            ended.append("given up")
            raise

    task = asyncio.create_task(Transfers().run(move))
    await asyncio.to_thread(begun.wait)
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
        assert not task.done()
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["given up"]


async def test_a_move_that_is_cancelled_before_its_turn_never_begins() -> None:
    transfers, gate = Transfers(), Event()
    first = [asyncio.create_task(transfers.run(lambda _: gate.wait())) for _ in range(AT_ONCE)]
    await asyncio.sleep(0)
    late = asyncio.create_task(transfers.run(lambda told: pytest.fail(f"begun {told or untold}")))
    await asyncio.sleep(0)
    late.cancel()
    with pytest.raises(asyncio.CancelledError):
        await late
    gate.set()
    await asyncio.gather(*first)
