"""A watcher of the feed, by SSE or WebSocket: what each of its connections brought, from first to last."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from random import Random
from typing import Final

from app.jobs import TERMINAL
from tests.stress.transports import Event, Over, Refused, feed_by_sse, feed_by_websocket

AGAIN_SECONDS: Final = (0.05, 0.5)
HANG_UP_AFTER: Final = (50, 2_000)


class FeedReader:
    """`connections` are the events of each. The feed has no way to resume, so each stands for itself."""

    def __init__(self, ports: Callable[[], Sequence[int]], seed: str, calm: asyncio.Event) -> None:
        self.connections: list[list[Event]] = []
        self.connected = False
        self.refusals: list[str] = []
        self._ports = ports
        self._random = Random(seed)
        self._calm = calm

    @property
    def settled(self) -> bool:
        """Whether it knows of no job that has not ended."""
        latest = {event["job_id"]: event for event in (self.connections or [[]])[-1]}
        return all(is_end(event) for event in latest.values())

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            if ports := self._ports():
                await self._connect(self._random.choice(ports))
                self.connected = False
            await asyncio.sleep(self._random.uniform(*AGAIN_SECONDS))

    async def _connect(self, port: int) -> None:
        brought: list[Event] = []
        most = self._random.randint(*HANG_UP_AFTER)
        self.connections.append(brought)
        self.connected = True
        try:
            async with aclosing(self._random.choice((feed_by_sse, feed_by_websocket))(port)) as events:
                async for event in events:
                    brought.append(event)
                    if len(brought) >= most and not self._calm.is_set():
                        return
        except Refused as refused:
            self.refusals.append(f"feed: {refused}")
        except (Over, OSError, TimeoutError):
            pass


def is_end(event: Event) -> bool:
    """Whether that was the last of its job."""
    return event["type"] in TERMINAL or (event["type"] == "snapshot" and event["data"]["status"] in TERMINAL)
