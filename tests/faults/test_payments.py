"""Hundreds of payments through a bank that is slow, forgets and lies, while workers and the bank are killed.

At the end the bank's ledger and our jobs agree to the cent.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from app.jobs import Job
from tests.bank.process import BankProcess
from tests.bank.traits import WILD
from tests.faults.house import House, Process
from tests.faults.watcher import assert_contiguous

PAYMENTS: Final = 150
KILLS: Final = 4
CURRENCIES: Final = ("EUR", "USD", "JPY")
LOOK_SECONDS: Final = 0.5
HURRY: Final = {"workers.handlers.bank.ANSWER_SECONDS": 4}
"""How long a bank is waited for that stalls."""


class Order(NamedTuple):
    """The params of one."""

    reference: str
    amount: int
    currency: str


class Run:
    """The payments of one test."""

    def __init__(self, house: House, bank: BankProcess) -> None:
        self.house = house
        self.bank = bank
        self.ended: dict[str, Job] = {}
        self.orders: dict[str, Order] = {}
        self._settings: dict[str, Any] = {}
        self._workers: list[Process] = []

    async def begin(self) -> None:
        """Web, two workers, and all payments submitted."""
        web = await self.house.web()
        self._settings = {"concurrency": 100, "public_url": f"http://127.0.0.1:{web.port}"}
        self._workers = [await self.house.worker(**self._settings) for _ in range(2)]
        for number in range(PAYMENTS):
            order = Order(f"INV-{number:04}", 100 + 37 * number, CURRENCIES[number % 3])
            self.orders[await web.submit("payment", **order._asdict())] = order

    async def kill_a_worker(self) -> None:
        """It is gone without a word, and another comes."""
        lost = self._workers.pop(0)
        lost.kill()
        self._workers.append(await self.house.worker(**self._settings))

    def kill_the_bank(self) -> None:
        """It comes back with its ledger, and has forgotten what it was about to tell."""
        self.bank.kill()
        self.bank.stop()
        self.bank.start()

    async def until_ended(self, count: int) -> None:
        """Until so many payments have ended."""
        async with asyncio.timeout(200):
            while len(self.ended) < count:
                await asyncio.sleep(LOOK_SECONDS)
                found = [await self.house.job(job_id) for job_id in self.orders.keys() - self.ended.keys()]
                self.ended |= {job.job_id: job for job in found if job.ended}


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Run]:
    with BankProcess(folder / "ledger", WILD.model_copy(update={"stalls": 0.03})) as bank:
        async with House(folder, hurry=HURRY, bank_url=bank.url, bank_poll_seconds=2) as house:
            run = Run(house, bank)
            await run.begin()
            yield run


@pytest.mark.timeout(300)
async def test_the_banks_ledger_and_our_jobs_agree_to_the_cent(
    short_path: Path, measured: Callable[[str, float], None]
) -> None:
    began = time.monotonic()
    async with running(short_path) as run:
        for kill in range(KILLS):
            await run.until_ended(kill * PAYMENTS // (KILLS + 1))
            await run.kill_a_worker()
            if kill == KILLS // 2:
                run.kill_the_bank()
        await run.until_ended(PAYMENTS)
        jobs = list(run.ended.values())
        logs = [await run.house.log(job.job_id) for job in jobs]
    measured(f"{PAYMENTS} payments, {KILLS} workers and the bank killed: all ended", time.monotonic() - began)
    for log in logs:
        assert_contiguous(log)
    ours = {run.orders[job.job_id]: end(job) for job in jobs}
    theirs = [(Order(each.reference, each.amount, each.currency), each) for each in run.bank.charges]
    assert sorted(ours) == sorted(order for order, _ in theirs), "charged twice, or not at all"
    assert ours == {order: each.id if each.status == "succeeded" else "rejected" for order, each in theirs}
    assert total(jobs) == paid(run.bank)
    assert_it_was_hard(run.bank, [event.parsed().get("reason") for log in logs for event in log])


def end(job: Job) -> str:
    """The charge that we say was made; no payment may fail but by the bank's word."""
    assert job.error is None or job.error["code"] == "rejected", job
    return "rejected" if job.error else str(job.result["charge_id"])


def total(jobs: Sequence[Job]) -> Counter[str]:
    """Paid by our account, in each currency."""
    sums: Counter[str] = Counter()
    for job in jobs:
        if job.status == "completed":
            sums[job.result["currency"]] += job.result["amount"]
    return sums


def paid(bank: BankProcess) -> Counter[str]:
    """And by the bank's."""
    sums: Counter[str] = Counter()
    for charge in bank.charges:
        if charge.status == "succeeded":
            sums[charge.currency] += charge.amount
    return sums


def assert_it_was_hard(bank: BankProcess, reasons: Sequence[str | None]) -> None:
    """Everything went wrong that was to go wrong."""
    deeds = {"refuses", "stumbles", "stalls", "forgets", "duplicates", "reorders", "lies"}
    assert deeds <= bank.deeds.keys()
    assert {"worker_lost", "retry", "callback"} <= set(reasons)
    assert any(charge.asked > 1 for charge in bank.charges)
    assert {charge.outcome for charge in bank.charges} == {"succeeded", "failed"}
    answers = {deed for deed in bank.deeds if deed.startswith("was answered")}
    assert answers == {f"was answered {status}" for status in (200, 202, 409, 410)}
