"""What of a job's progress comes into the feed."""

import asyncio

from app.events import Event
from app.hub.subscription import FeedEvent
from app.hub.thinner import PROGRESS_INTERVAL_SECONDS, Thinner


def progress(seq: int) -> FeedEvent:
    return FeedEvent(Event("a" * 26, seq, "progress", 0, '{"percent":1}'), "k", ())


async def test_progress_that_was_kept_is_never_told_after_a_later_one() -> None:
    told: list[int] = []
    flushed = asyncio.Event()

    def flush(items: list[FeedEvent]) -> None:
        told.extend(item.event.seq for item in items)
        flushed.set()

    thinner = Thinner(asyncio.get_running_loop(), flush)
    for seq, at in ((1, 1.0), (2, 1.4), (3, 1.0 + PROGRESS_INTERVAL_SECONDS)):
        told.extend(item.event.seq for item in thinner.thin([progress(seq)], at))
    await asyncio.wait_for(flushed.wait(), 60)
    assert told == [1, 3]
