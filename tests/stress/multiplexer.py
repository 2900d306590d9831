"""A client that watches many jobs, and perhaps the feed, over one WebSocket, which it hangs up from time to time."""

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import aclosing, suppress
from random import Random
from typing import Any, Final

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from tests.faults.watcher import Watcher
from tests.stress.transports import Event, Over, Refused, lines

AGAIN_SECONDS: Final = (0.05, 0.25)
LOOK_SECONDS: Final = 1.0
HANG_UP_AFTER: Final = (20, 400)


class Multiplexer:
    """`watch` may be called at any time. Each job watched has a Watcher that only keeps what came."""

    def __init__(self, ports: Callable[[], Sequence[int]], seed: str, calm: asyncio.Event) -> None:
        self._ports = ports
        self._random = Random(seed)
        self._calm = calm
        self._connection: ClientConnection | None = None
        self._posted = asyncio.Event()
        self._asked: set[str] = set()
        self._over: set[str] = set()
        self.watchers: dict[str, Watcher] = {}
        self.refusals: list[str] = []

    @property
    def pending(self) -> set[str]:
        """Jobs whose end it has not been told."""
        return self.watchers.keys() - self._over

    def watch(self, job_id: str) -> None:
        """From now on, from the beginning of its log."""
        self.watchers.setdefault(job_id, Watcher(job_id, self._ports))
        self._posted.set()

    async def run(self) -> None:
        """Until cancelled."""
        subscribing = asyncio.create_task(self._subscribe())
        try:
            while True:
                if ports := self._ports():
                    await self._connect(self._random.choice(ports))
                await asyncio.sleep(self._random.uniform(*AGAIN_SECONDS))
        finally:
            subscribing.cancel()
            await asyncio.gather(subscribing, return_exceptions=True)

    async def _connect(self, port: int) -> None:
        left = self._random.randint(*HANG_UP_AFTER)
        try:
            async with aclosing(lines(port, "/api/ws", on_open=self._opened)) as frames:
                async for frame in frames:
                    self._take(frame)
                    left -= 1
                    if left < 0 and not self._calm.is_set():
                        return
        except Refused as refused:
            self.refusals.append(f"multiplexed: {refused}")
        except (Over, OSError, TimeoutError):
            pass
        finally:
            self._connection = None

    def _opened(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._asked.clear()
        self._posted.set()

    async def _subscribe(self) -> None:
        """Say what is to be watched, on whatever connection there is."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._posted.wait()
            self._posted.clear()
            waiting = self.pending - self._asked
            for job_id in [job_id for job_id in self.watchers if job_id in waiting]:  # the oldest first
                await self._send({"op": "subscribe", "job_id": job_id, "after": self._last(job_id), "ref": job_id})

    async def _send(self, frame: dict[str, Any]) -> None:
        if self._connection is not None:
            self._asked.add(frame["job_id"])
            with suppress(ConnectionClosed):
                await self._connection.send(json.dumps(frame))

    def _take(self, frame: Event) -> None:
        match frame:
            case {"op": "error", "ref": job_id, "code": code}:
                self._asked.discard(job_id)
                if code != "unavailable":
                    self.refusals.append(f"multiplexed, {job_id}: {code}")
                    self._over.add(job_id)
            case {"op": "unsubscribed", "job_id": job_id}:
                self._over.add(job_id)
            case {"type": "snapshot", "job_id": job_id}:
                self.watchers[job_id].snapshots.append(frame)
            case {"type": _, "job_id": job_id}:
                self.watchers[job_id].events.append(frame)

    def _last(self, job_id: str) -> int:
        events = self.watchers[job_id].events
        return events[-1]["seq"] if events else 0
