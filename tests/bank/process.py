"""The bank as a process, for whoever needs one: it can be killed, and started again where it was."""

import os
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import httpx

from app.processes.child import Child
from app.processes.supervisor import free_port
from tests.bank.ledger import Charge, Ledger
from tests.bank.traits import Traits

ROOT: Final = Path(__file__).parents[2]
START_SECONDS: Final = 30


class BankProcess(Child):
    """On a port of its own, which stays the same when it comes back; so does the ledger."""

    def __init__(self, path: Path, traits: Traits | None = None, *, port: int = 0, seed: int = 7) -> None:
        self.url = f"http://127.0.0.1:{free_port('127.0.0.1', port)}"
        self._path = path
        options = ("--port", self.url.rpartition(":")[2], "--ledger", str(path), "--seed", str(seed))
        habits = (traits or Traits()).model_dump_json()
        argv = (sys.executable, "-P", "-m", "tests.bank", *options, "--traits", habits)
        super().__init__(*argv, env=os.environ | {"PYTHONPATH": str(ROOT)})

    def start(self) -> None:
        """It answers on return."""
        super().start()
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            assert self.alive, "the bank did not start"
            assert time.monotonic() < deadline, "the bank does not answer"
            time.sleep(0.02)

    def behave(self, **traits: Any) -> None:
        """Other traits from now on; those that are not named are none."""
        httpx.put(f"{self.url}/traits", json=traits, trust_env=False).raise_for_status()

    def settle(self) -> None:
        """Whatever is pending has its end now; nobody is told."""
        with closing(Ledger(self._path)) as ledger:
            ledger.settle()

    @property
    def charges(self) -> list[Charge]:
        """As its ledger has them, whether it runs or not."""
        with closing(Ledger(self._path)) as ledger:
            return ledger.charges()

    @property
    def deeds(self) -> dict[str, int]:
        """How often it did what."""
        with closing(Ledger(self._path)) as ledger:
            return ledger.deeds()

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/charges", trust_env=False).is_success
        except httpx.TransportError:
            return False
