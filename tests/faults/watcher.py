"""A client that watches one job by SSE as a browser does: it comes back with the last id it has seen, for ever.

Written on plain sockets, so that hundreds of them leave the machine to what is tested.
"""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from app.events import CONFLATED, Event

EARLIEST_RETRY_SECONDS: Final = 0.05
LATEST_RETRY_SECONDS: Final = 0.25

WAITS: Final = ("pending", "resumed", "position")
WAITED: Final = ("processing", "position", "suspended", "cancelled", "failed")


class Watcher:
    """`ports` is asked anew for each connection: the web processes there are.

    `cuts` are the moments at which a connection ended, `retries` the milliseconds it was told to stay away.
    """

    def __init__(self, job_id: str, ports: Callable[[], Sequence[int]]) -> None:
        self.job_id = job_id
        self._ports = ports
        self.events: list[dict[str, Any]] = []
        self.arrivals: list[float] = []
        self.snapshots: list[dict[str, Any]] = []
        self.connections = 0
        self.cuts: list[float] = []
        self.retries: list[int] = []
        self.opened = asyncio.Event()

    @property
    def seqs(self) -> list[int]:
        """Of the numbered events, as they came."""
        return [event["seq"] for event in self.events]

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.events]

    async def follow(self) -> None:
        """To the end: when a reconnect is answered 204."""
        while not await self._connect():
            self.opened.clear()
            await asyncio.sleep(random.uniform(EARLIEST_RETRY_SECONDS, LATEST_RETRY_SECONDS))

    async def _connect(self) -> bool:
        """One connection; whether it was the last."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", random.choice(self._ports()))
        except (OSError, IndexError):
            return False
        self.connections += 1
        try:
            writer.write(self._request())
            status = (await reader.readline()).split(b" ")
            if len(status) > 1 and status[1] == b"204":
                return True
            assert len(status) < 2 or status[1] == b"200", status
            async for line in reader:
                self._take(line)
        except ConnectionError:
            pass
        finally:
            writer.close()
            self.cuts.append(time.monotonic())
        return False

    def _request(self) -> bytes:
        last = self.events[-1]["seq"] if self.events else 0
        resume = f"Last-Event-ID: {last}\r\n" if last else ""
        query = "" if last else "?after=0"
        target = f"/api/jobs/{self.job_id}/events{query}"
        return f"GET {target} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n{resume}\r\n".encode()

    def _take(self, line: bytes) -> None:
        """Each frame is whole within a chunk, so that the lines between chunks can be passed over."""
        if not line.startswith(b"data: "):
            if line.startswith(b"retry: "):
                self.retries.append(int(line[7:]))
                self.opened.set()
            return
        event = json.loads(line[6:])
        if event["type"] == "snapshot":
            self.snapshots.append(event)
        else:
            self.events.append(event)
            self.arrivals.append(time.monotonic())


@asynccontextmanager
async def watching(job_ids: Iterable[str], ports: Callable[[], Sequence[int]]) -> AsyncIterator[list[Watcher]]:
    """One watcher for each id given, all connected; after the block all have seen the end."""
    watchers = [Watcher(job_id, ports) for job_id in job_ids]
    tasks = [asyncio.create_task(watcher.follow()) for watcher in watchers]
    try:
        async with asyncio.timeout(60):
            for watcher in watchers:
                await watcher.opened.wait()
        yield watchers
        async with asyncio.timeout(60):
            await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def assert_whole(watcher: Watcher, log: Sequence[Event]) -> None:
    """It saw every retained event once and in order, nothing twice, and nothing that is not there.

    Of progress only the latest is retained; what it saw of the rest must have been numbered in between.
    """
    seen = watcher.seqs
    assert seen == sorted(set(seen)), f"repeated or out of order: {seen}"
    retained = [event.seq for event in log]
    missing = set(retained) - set(seen)
    assert not missing, f"never seen: {sorted(missing)} of {retained}"
    types = {event["seq"]: event["type"] for event in watcher.events}
    surplus = {types[seq] for seq in set(seen) - set(retained)}
    assert surplus <= CONFLATED, surplus
    assert {seq: types[seq] for seq in retained} == {event.seq: event.type for event in log}
    assert_contiguous(log)


def assert_contiguous(log: Sequence[Event]) -> None:
    """Whole from 1 to the one end, but for progress that later progress has replaced, and places of waits now over."""
    seqs = [event.seq for event in log]
    assert seqs[0] == 1
    assert seqs == sorted(set(seqs))
    latest_progress = max((event.seq for event in log if event.type == "progress"), default=0)
    gaps = [seq for seq in sorted(set(range(1, seqs[-1])) - set(seqs)) if not _was_place(seq, log)]
    assert not gaps or gaps[-1] < latest_progress, f"missing: {gaps}"
    ends = [event.type for event in log if event.type in ("completed", "failed", "cancelled")]
    assert len(ends) == 1, ends
    assert log[-1].type == ends[0]


def _was_place(seq: int, log: Sequence[Event]) -> bool:
    """Whether a missing event lies where only those of positions do: in a wait, before what ended that."""
    before = [event.type for event in log if event.seq < seq]
    after = [event.type for event in log if event.seq > seq]
    return before[-1] in WAITS and after[0] in WAITED
