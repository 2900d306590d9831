"""The processes of a stress run, each in a slot of its own: struck as the plan says, and always replaced.

Driven by `run.py`. Whatever a process does that it was not made to do, above all end, is noted as misconduct.
"""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from redis.exceptions import RedisError

from tests.faults.house import ROOT, House, Process, Web, until
from tests.stress.plan import WEBS, WORKERS, Strike

PROBE: Final = Path(__file__).with_name("probe")
SIGNALS: Final = {"kill": signal.SIGKILL, "term": signal.SIGTERM, "twice": signal.SIGTERM, "freeze": signal.SIGSTOP}
EXIT_CODES: Final = {"kill": {-signal.SIGKILL}, "term": {0}, "twice": {0, -signal.SIGTERM}}
"""The second SIGTERM may find a worker that has already let go of everything."""
MURDERED: Final = -signal.SIGKILL
"""How a worker ends that ran a job of the kind `murder`."""
LOOK_SECONDS: Final = 0.2
GONE_SECONDS: Final = 30.0


class ProbedHouse(House):
    """Its processes answer SIGUSR2, see `probe/sitecustomize.py`."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        super().__init__(folder, **settings)
        self.folder = folder

    def _env(self, settings: dict[str, Any]) -> dict[str, str]:
        path = os.pathsep.join((str(ROOT), str(PROBE)))
        return super()._env({"poll_burst": 1_000_000, "spare_process_seconds": 2} | settings) | {
            "PYTHONPATH": path,
            "STRESS_PROBE": str(self.folder),
        }

    async def _kinds_known(self) -> bool:
        with suppress(RedisError):  # Valkey may be away
            return await super()._kinds_known()
        return False


class Slot:
    """A place for one process after the other."""

    def __init__(self, name: str, begin: Callable[[], Awaitable[Process]]) -> None:
        self.name = name
        self.process: Process | None = None
        self.misconduct: list[str] = []
        self._begin = begin
        self._lock = asyncio.Lock()

    async def fill(self) -> None:
        """Have a process here that has started."""
        async with self._lock:
            if self.process and self.process.alive:
                return
            if self.process and self.process.exit_code != MURDERED:
                self.misconduct.append(f"{self.name} ended by itself with code {self.process.exit_code}")
            self.process = await self._begin()

    async def strike(self, strike: Strike) -> None:
        """To the end of the fault."""
        async with self._lock:
            if self.process is None or not self.process.alive:
                return
            self.process.send(SIGNALS[strike.how])
            if strike.how == "freeze":
                await asyncio.sleep(strike.seconds)
                self.process.send(signal.SIGCONT)
                return
            if strike.how == "twice":
                await asyncio.sleep(0.3)
                with suppress(ProcessLookupError):
                    self.process.send(signal.SIGTERM)
            await self._gone(strike)
            await asyncio.sleep(strike.seconds)
            self.process = await self._begin()

    async def _gone(self, strike: Strike) -> None:
        assert self.process
        try:
            code = await self.process.ended(GONE_SECONDS)
        except TimeoutError:
            self.misconduct.append(f"{self.name} did not end {GONE_SECONDS:.0f} s after {strike.how}")
            self.process.kill()
            return
        if code not in EXIT_CODES[strike.how] | {MURDERED}:
            self.misconduct.append(f"{self.name} ended with code {code} after {strike.how}")


class Fleet:
    """Web processes, workers, and the one Valkey."""

    def __init__(self, house: ProbedHouse, *, webs: int = WEBS, workers: int = WORKERS) -> None:
        self.house = house
        self.webs = [Slot(f"web {n}", house.web) for n in range(webs)]
        self.workers = [Slot(f"worker {n}", house.worker) for n in range(workers)]
        self.strikes = 0
        self._valkey_misconduct: list[str] = []
        self._valkey_lock = asyncio.Lock()

    @property
    def misconduct(self) -> list[str]:
        """What processes did that they should not have."""
        return [*self._valkey_misconduct, *(line for slot in self._slots for line in slot.misconduct)]

    @property
    def ports(self) -> list[int]:
        """Where web processes are; they may have been frozen, or be about to end."""
        return [slot.process.port for slot in self.webs if isinstance(slot.process, Web) and slot.process.alive]

    @property
    def processes(self) -> dict[str, Process]:
        """Those there are, by slot."""
        return {slot.name: slot.process for slot in self._slots if slot.process}

    async def valkey_pid(self) -> int:
        """The one that answers now."""
        while True:
            with suppress(RedisError):  # redis-py tries again by itself, but not what goes wrong while it connects
                pid: int = (await self.house.redis.info("server"))["process_id"]
                return pid
            await asyncio.sleep(LOOK_SECONDS)

    async def complete(self) -> None:
        """Have a process in each slot."""
        await asyncio.gather(*(slot.fill() for slot in self._slots))

    async def keep_complete(self, enough: asyncio.Event) -> None:
        """Replace what has ended by itself. It is not cancelled: a process half begun would be nobody's."""
        while not enough.is_set():
            await self.complete()
            await asyncio.sleep(LOOK_SECONDS)

    async def strike(self, strike: Strike) -> None:
        """One fault, to its end."""
        self.strikes += 1
        if strike.subject.startswith("valkey"):
            async with self._valkey_lock:
                await self._strike_valkey(strike)
        else:
            (slot,) = (slot for slot in self._slots if slot.name == strike.subject)
            await slot.strike(strike)

    @property
    def _slots(self) -> list[Slot]:
        return [*self.webs, *self.workers]

    async def _strike_valkey(self, strike: Strike) -> None:
        """It is started from this thread, whose end would be its own, so the loop stands still for that moment."""
        valkey, pid = self.house.valkey, await self.valkey_pid()
        os.kill(pid, SIGNALS[strike.how])
        if strike.how == "freeze":
            await asyncio.sleep(strike.seconds)
            os.kill(pid, signal.SIGCONT)
            return
        await self._valkey_gone(strike)
        await asyncio.sleep(strike.seconds)
        valkey.start()

    async def _valkey_gone(self, strike: Strike) -> None:
        async def over() -> bool:
            return not self.house.valkey.alive

        await until(over, GONE_SECONDS)
        if (code := self.house.valkey.exit_code) not in EXIT_CODES[strike.how]:
            self._valkey_misconduct.append(f"valkey ended with code {code} after {strike.how}")
