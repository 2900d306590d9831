"""What the bank tells of a charge on its own, and when: once and truly but for its traits, with no retry."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from tests.bank.ledger import Charge, Ledger
from tests.bank.traits import Temper


@dataclass(frozen=True, slots=True)
class Callback:
    """To be sent at that time."""

    at: float
    body: dict[str, Any]


def planned(charge: Charge, temper: Temper) -> Iterator[Callback]:
    """All that it will say of a new charge."""
    longest = temper.traits.settle_seconds
    told_at = charge.settles_at + temper.some(longest)
    if not temper.does("forgets"):
        yield Callback(told_at, charge.told(charge.outcome))
        if temper.does("duplicates"):
            yield Callback(told_at + temper.some(longest), charge.told(charge.outcome))
    if temper.does("reorders"):
        yield Callback(told_at + temper.some(longest), charge.told("pending"))
    if temper.does("lies"):
        yield Callback(charge.settles_at + temper.some(longest) - temper.some(longest), lie(charge, temper))


def lie(charge: Charge, temper: Temper) -> dict[str, Any]:
    """Of its end, of the amount, or of which charge it is."""
    opposite = "failed" if charge.outcome == "succeeded" else "succeeded"
    wrong = ({"status": opposite}, {"amount": charge.amount + 1}, {"id": "ch_0000000000000000"})
    return charge.told(charge.outcome) | temper.random.choice(wrong)


class Courier:
    """Carries callbacks out, each in a task; what is left when the bank closes is forgotten."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._http = httpx.AsyncClient(timeout=5, trust_env=False)
        self._tasks: set[asyncio.Task[None]] = set()

    def carry(self, charge: Charge, temper: Temper) -> None:
        """All that is to be said of a new charge."""
        for callback in planned(charge, temper):
            task = asyncio.create_task(self._send(charge.id, callback))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._http.aclose()

    async def _send(self, charge_id: str, callback: Callback) -> None:
        await asyncio.sleep(callback.at - time.time())
        charge = self._ledger.find(charge_id)
        assert charge
        try:
            answer = await self._http.post(charge.callback_url, json=callback.body)
            self._ledger.note(f"was answered {answer.status_code}")
        except (httpx.HTTPError, httpx.InvalidURL):
            self._ledger.note("was not answered")
