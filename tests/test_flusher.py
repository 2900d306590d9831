import asyncio
import threading
from collections.abc import Iterable
from typing import Any

import pytest
from redis.asyncio import Redis

from app.errors import Unavailable
from app.jobs import Status
from app.store import Change, JobStore, Run
from tests.ground import running
from tests.watching import until
from workers.outcomes import EventBufferFull
from workers.run.entries import Entry
from workers.run.flusher import INTERVAL_SECONDS, Flusher
from workers.run.outbox import MOST_BYTES, MOST_ENTRIES, Outbox

END = Entry("completed", '{"result":null}')


class Watched(JobStore):
    """Notes the calls that reached Redis; `away` keeps them from it, `mute` their answers from coming back."""

    def __init__(self, redis: Redis) -> None:
        super().__init__(redis)
        self.calls: list[list[str]] = []
        self.times: list[float] = []
        self.away = False
        self.mute = 0
        self.refused = 0

    async def apply(
        self, job_id: str, changes: Iterable[Change], *, token: str = "", part: int = 0
    ) -> tuple[int, Status]:
        if self.away:
            self.refused += 1
            raise Unavailable
        changes = list(changes)
        self.calls.append([change.type for change in changes])
        self.times.append(asyncio.get_running_loop().time())
        answer = await super().apply(job_id, changes, token=token, part=part)
        if self.mute:
            self.mute -= 1
            raise Unavailable
        return answer


@pytest.fixture
def store(redis: Redis) -> Watched:
    return Watched(redis)


@pytest.fixture
async def run(store: Watched) -> Run:
    run = await running(JobStore(store._scripts._redis))
    store.calls.clear()
    return run


class Lost:
    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


def log(line: object) -> Entry:
    return Entry("log", f'{{"level":"info","line":"{line}"}}')


def progress(percent: float) -> Entry:
    return Entry("progress", f'{{"percent":{percent}}}')


async def lines(store: JobStore, run: Run) -> list[Any]:
    view = await store.read(run.job_id, after=2)
    assert view
    return [event.parsed().get("line", event.type) for event in view.events]


async def test_what_was_written_but_not_answered_is_not_told_twice(store: Watched, run: Run) -> None:
    outbox = Outbox()
    flusher = Flusher(store, run, outbox, Lost())
    store.mute = 2
    outbox.put(log("a"))
    await flusher.flush()
    outbox.put(log("b"))
    await flusher.finish(END)
    assert store.calls == [["log"], ["log"], ["log"], ["log", "completed"]]
    assert await lines(store, run) == ["a", "b", "completed"]


async def test_the_first_event_after_a_quiet_time_goes_out_at_once(
    store: Watched, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.run.flusher.INTERVAL_SECONDS", 3600)
    outbox = Outbox()
    flusher = Flusher(store, run, outbox, Lost())
    outbox.put(log("a"))
    await until(lambda: store.calls)
    await flusher.finish(END)


async def test_progress_goes_out_ten_times_a_second_and_the_latest_wins(store: Watched, run: Run) -> None:
    outbox = Outbox()
    flusher = Flusher(store, run, outbox, Lost())
    percent = 0
    while len(store.calls) < 4:
        percent += 1
        outbox.put(progress(percent))
        await asyncio.sleep(0)
    gaps = [later - earlier for earlier, later in zip(store.times, store.times[1:], strict=False)]
    assert all(gap > INTERVAL_SECONDS * 0.9 for gap in gaps)
    outbox.put(progress(99))
    await flusher.finish(END)
    view = await store.read(run.job_id)
    assert view
    assert view.job.progress == {"percent": 99}
    assert store.calls[-1] == ["progress", "completed"]


async def test_a_flush_takes_the_logs_along_but_not_the_progress(store: Watched, run: Run) -> None:
    outbox = Outbox()
    flusher = Flusher(store, run, outbox, Lost())
    outbox.put(log("first"))
    await flusher.flush()
    outbox.put(progress(5))
    outbox.put(log("second"))
    await flusher.flush()
    assert store.calls == [["log"], ["log"]]
    await flusher.flush()
    await flusher.finish(END)
    assert store.calls == [["log"], ["log"], ["progress", "completed"]]


async def test_order_is_kept_and_one_call_takes_all_that_waits(store: Watched, run: Run) -> None:
    outbox = Outbox()
    flusher = Flusher(store, run, outbox, Lost())
    for number in range(50):
        outbox.put(log(number))
        outbox.put(progress(number))
    await flusher.finish(END)
    assert len(store.calls) == 1
    assert await lines(store, run) == [*map(str, range(50)), "progress", "completed"]


async def test_while_redis_is_away_nothing_is_lost(store: Watched, run: Run) -> None:
    outbox = Outbox()
    lost = Lost()
    flusher = Flusher(store, run, outbox, lost)
    store.away = True
    outbox.put(log("a"))
    await until(lambda: store.refused > 1)
    outbox.put(log("b"))
    finishing = asyncio.create_task(flusher.finish(END))
    await until(lambda: store.refused > 2)
    store.away = False
    await finishing
    assert await lines(store, run) == ["a", "b", "completed"]
    assert lost.times == 0


async def test_a_run_of_another_is_noticed_and_what_waits_is_dropped(store: Watched, run: Run) -> None:
    outbox = Outbox()
    lost = Lost()
    flusher = Flusher(store, Run(**{**_fields(run), "token": "another"}), outbox, lost)
    outbox.put(log("a"))
    await until(lambda: lost.times)
    outbox.put(log("b"))
    await flusher.flush()
    await flusher.finish(END)
    assert await lines(store, run) == []


async def test_an_abandoned_run_writes_nothing_more_and_holds_nobody_up(store: Watched, run: Run) -> None:
    outbox = Outbox()
    flusher = Flusher(store, run, outbox, Lost())
    store.away = True
    outbox.put(log("a"))
    await until(lambda: store.refused)
    flushing = asyncio.create_task(flusher.flush())
    await asyncio.sleep(0)
    flusher.abandon()
    await flushing
    await flusher.finish(END)
    assert store.calls == []


@pytest.mark.parametrize("size", [10, 200_000])
async def test_a_full_outbox_refuses_on_the_loop(size: int) -> None:
    outbox = Outbox()
    fitting = min(MOST_ENTRIES, MOST_BYTES // size + 1)
    for _ in range(fitting):
        outbox.put(log("x" * size))
    with pytest.raises(EventBufferFull):
        outbox.put(log("x"))
    outbox.put(progress(1))
    assert len(outbox.take(progress=True)) == fitting + 1
    outbox.put(log("again"))


async def test_a_full_outbox_blocks_a_thread_until_it_is_emptied_or_interrupted() -> None:
    outbox = Outbox()
    interrupted = threading.Event()
    for _ in range(MOST_ENTRIES):
        outbox.put(log("x"))

    def put() -> bool:
        return outbox.put_blocking(log("y"), interrupted.is_set)

    blocked = asyncio.create_task(asyncio.to_thread(put))
    await asyncio.wait_for(outbox.urgent.wait(), 10)
    assert not blocked.done()
    assert len(outbox.take(progress=True)) == MOST_ENTRIES
    assert await blocked
    for _ in range(MOST_ENTRIES - 1):
        outbox.put(log("x"))
    blocked = asyncio.create_task(asyncio.to_thread(put))
    await asyncio.sleep(0)
    interrupted.set()
    outbox.wake()
    assert not await blocked


def _fields(run: Run) -> dict[str, Any]:
    return {name: getattr(run, name) for name in Run.__slots__}
