"""A web process is gone, at once or in good order, and its many watchers go on with another."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.hub import Close
from app.hub.attendance import RECONNECT_MS
from tests.faults.house import House, Web, until_all
from tests.faults.slow_client import SlowClient
from tests.faults.watcher import Watcher, assert_whole, watching

JOBS: Final = 20
WATCHERS: Final = 500
SOCKETS: Final = 20
STEP_SECONDS: Final = 0.5
GRACE_SECONDS: Final = 3.0
"""As the house has it; half of it is for ending streams, in twenty batches."""

Measured = Callable[[str, float], None]


async def test_500_watchers_of_a_killed_web_process_go_on_with_another_where_they_were(
    house: House, short_path: Path, measured: Measured
) -> None:
    async with crowd(house, short_path) as it:
        killed_at = time.monotonic()
        it.web.kill()
        it.move()
        measured("web killed with 500 watchers: every stream goes on", await it.recovery() - killed_at)


async def test_500_watchers_of_a_stopping_web_process_are_sent_on_in_batches_within_the_grace(
    house: House, short_path: Path, measured: Measured
) -> None:
    async with crowd(house, short_path) as it, sockets(it) as by_socket:
        told_at = time.monotonic()
        it.web.send(signal.SIGTERM)
        it.move()
        assert await it.web.ended() == 0
        measured("SIGTERM of web with 500 watchers: exit", time.monotonic() - told_at)
        measured("SIGTERM of web with 500 watchers: every stream goes on", await it.recovery() - told_at)
        await asyncio.gather(*[each.read_rest() for each in by_socket])
        assert {each.close_code for each in by_socket} == {Close.RESTARTING}
    cuts = sorted(watcher.cuts[0] for watcher in it.watchers)
    measured("SIGTERM of web with 500 watchers: from the first stream's end to the last's", cuts[-1] - cuts[0])
    assert cuts[WATCHERS * 3 // 4] - cuts[WATCHERS // 4] > GRACE_SECONDS / 8, "most of them at once"
    assert cuts[-1] - told_at < 2 * GRACE_SECONDS, "beyond the grace, and what a busy machine adds to it"
    stay_away = [watcher.retries[1] for watcher in it.watchers]
    assert all(RECONNECT_MS[0] <= retry <= RECONNECT_MS[1] for retry in stay_away)
    assert len(set(stay_away)) > WATCHERS / 4, "no jitter"


@dataclass
class Crowd:
    """Watchers of running jobs, all of them on `web`, until they are to `move` to the other process there is."""

    web: Web
    other: Web
    watchers: list[Watcher]
    ports: list[int]

    def move(self) -> None:
        """Whoever connects from now on does so there."""
        self.ports[:] = [self.other.port]

    async def recovery(self) -> float:
        """When the last of them had its first event from there."""
        await until_all(lambda: map(_resumed_at, self.watchers))
        return max(filter(None, map(_resumed_at, self.watchers)))


@asynccontextmanager
async def crowd(house: House, folder: Path) -> AsyncIterator[Crowd]:
    """After the block each watcher must have seen all, and nothing twice."""
    gate = folder / "gate"
    web, other, _ = await asyncio.gather(house.web(), house.web(), house.worker(concurrency=JOBS))
    job_ids = [await web.submit("ticking", gate=str(gate), seconds=STEP_SECONDS) for _ in range(JOBS)]
    ports = [web.port]
    async with watching(job_ids * (WATCHERS // JOBS), lambda: ports) as watchers:
        await until_all(lambda: ("step" in watcher.types for watcher in watchers))
        yield Crowd(web, other, watchers, ports)
        gate.touch()
    await house.ended(*job_ids)
    logs = {job_id: await house.log(job_id) for job_id in job_ids}
    for watcher in watchers:
        assert watcher.connections == 3, "there was the first, the second, and the one that said it was over"
        assert_whole(watcher, logs[watcher.job_id])


@asynccontextmanager
async def sockets(it: Crowd) -> AsyncIterator[list[SlowClient]]:
    """Clients by WebSocket beside the watchers, which read when the test does."""
    async with AsyncExitStack() as stack:
        clients = [SlowClient(it.web.port, watcher.job_id, websocket=True) for watcher in it.watchers[:SOCKETS]]
        yield [await stack.enter_async_context(client) for client in clients]


def _resumed_at(watcher: Watcher) -> float | None:
    """Of its first event after its first connection had ended."""
    return next((at for at in watcher.arrivals if watcher.cuts and at > watcher.cuts[0]), None)
