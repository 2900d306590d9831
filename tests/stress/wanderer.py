"""A watcher of one job that hangs up, comes back by another transport, or stops reading for a while, as it pleases."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from random import Random
from typing import Final, Self

from app.jobs import TERMINAL
from tests.faults.watcher import Watcher
from tests.stress.plan import Watch
from tests.stress.transports import TRANSPORTS, Events, Over, Refused

PAUSES_SECONDS: Final = (0.5, 2.0, 5.0, 25.0)
"""The longest is longer than the server's patience."""
LOG_SECONDS: Final = (0.2, 1.5)
"""Between two looks into the log."""


@dataclass(frozen=True, slots=True)
class Caprice:
    """Of one connection: after how many events it is hung up, and after how many nothing is read for how long."""

    hang_up_after: int
    pause_after: int
    pause_seconds: float

    @classmethod
    def of(cls, random: Random) -> Self:
        """Most connections stay, and read on."""
        return cls(
            random.randint(1, 30) if random.random() < 0.4 else -1,
            random.randint(0, 20) if random.random() < 0.3 else -1,
            random.choices(PAUSES_SECONDS, (6, 3, 2, 2))[0],
        )


CALM: Final = Caprice(-1, -1, 0)


class Wanderer(Watcher):
    """Its habits follow from the plan's seed. Once `calm` is set it only reads."""

    def __init__(self, job_id: str, ports: Callable[[], Sequence[int]], watch: Watch, calm: asyncio.Event) -> None:
        super().__init__(job_id, ports)
        self.transports = watch.transports
        self.refusals: list[str] = []
        self._random = Random(watch.seed)
        self._calm = calm

    def __str__(self) -> str:
        return "+".join(self.transports)

    async def _connect(self) -> bool:
        """One connection; whether it was the last."""
        ports = self._ports()
        if not ports:
            return False
        transport = self._random.choice(self.transports)
        self.connections += 1
        try:
            async with aclosing(TRANSPORTS[transport](self._random.choice(ports), self.job_id, self._last)) as events:
                await self._read(events)
        except Over:
            return True
        except Refused as refused:
            self.refusals.append(f"{transport} from {self._last}: {refused}")
            return True
        except (OSError, TimeoutError):
            pass
        if transport != "log":
            return False
        await asyncio.sleep(self._random.uniform(*LOG_SECONDS))
        return bool(self.events) and self.types[-1] in TERMINAL

    async def _read(self, events: Events) -> None:
        caprice = CALM if self._calm.is_set() else Caprice.of(self._random)
        count = 0
        async for event in events:
            (self.snapshots if event["type"] == "snapshot" else self.events).append(event)
            count += 1
            if count == caprice.hang_up_after:
                return
            if count == caprice.pause_after:
                await self._pause(caprice.pause_seconds)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._calm.wait()

    @property
    def _last(self) -> int:
        return self.events[-1]["seq"] if self.events else 0
