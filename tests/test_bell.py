import asyncio

from app.events import Event
from app.hub import Bell, Close
from app.hub.bell import BELL, GATHER_SECONDS

LOG = Event("j", 2, "log", 0, "{}")
PROGRESS = Event("j", 3, "progress", 0, "{}")
FAR = 3600.0


async def never() -> None:
    await asyncio.Event().wait()


async def test_it_rings_when_its_time_is_over() -> None:
    assert await Bell(0, only_end=False).rings_during(never())


async def test_it_is_silent_when_the_other_was_done_first() -> None:
    assert not await Bell(FAR, only_end=False).rings_during(asyncio.sleep(0))


async def test_news_from_before_the_wait_is_not_forgotten() -> None:
    bell = Bell(FAR, only_end=False)
    bell.writer.write_events([LOG])
    assert await bell.rings_during(never())


async def test_progress_gathers_for_a_moment_that_more_of_it_does_not_prolong() -> None:
    bell = Bell(FAR, only_end=False)

    async def storm() -> None:
        while True:
            bell.writer.write_events([PROGRESS])
            await asyncio.sleep(0.001)

    begun = asyncio.get_running_loop().time()
    async with asyncio.timeout(20):
        assert await bell.rings_during(storm())
    assert asyncio.get_running_loop().time() - begun > GATHER_SECONDS * 0.9


async def test_what_comes_with_progress_rings_for_both() -> None:
    assert BELL.encode([PROGRESS, LOG])["in_seconds"] == 0


async def test_only_the_end_rings_where_nothing_else_is_asked_for() -> None:
    bell = Bell(FAR, only_end=True)
    bell.writer.write_events([LOG])
    waiting = asyncio.create_task(bell.rings_during(never()))
    await asyncio.sleep(0)
    bell.writer.write_events([LOG])
    await asyncio.sleep(0)
    assert not waiting.done()
    bell.subscription.on_end()
    assert await waiting


async def test_it_rings_for_who_is_hung_up_on_and_tells_why() -> None:
    bell = Bell(FAR, only_end=True)
    bell.writer.close(Close.TOO_SLOW)
    assert await bell.rings_during(never())
    assert bell.dismissed


async def test_it_rings_for_who_is_dismissed_before_the_wait_began() -> None:
    bell = Bell(FAR, only_end=True)
    bell.writer.finish(Close.RESTARTING)
    assert await bell.rings_during(never())
    assert bell.dismissed


async def test_more_news_than_one_rings_once() -> None:
    bell = Bell(FAR, only_end=False)

    async def told_late() -> None:
        try:
            await never()
        finally:
            bell.writer.write_events([LOG])
            bell.subscription.on_end()

    waiting = asyncio.create_task(bell.rings_during(told_late()))
    await asyncio.sleep(0)
    bell.writer.write_events([LOG])
    bell.writer.write_events([LOG])
    assert await waiting
    assert not bell.dismissed
