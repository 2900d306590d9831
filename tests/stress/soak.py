"""`python -m tests.stress.soak --minutes 10`: many short jobs, clients that come and go on every transport, no faults.

What web, worker and Valkey take of the machine is read every few seconds, and must not grow.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

import httpx

from tests.faults.house import KINDS
from tests.stress import plan, verdict
from tests.stress.audience import Audience
from tests.stress.fleet import Fleet, ProbedHouse
from tests.stress.outside import TELLING, outside
from tests.stress.plan import Plan
from tests.stress.quiet import idle, until_forgotten, until_quiet
from tests.stress.readings import Readings
from tests.stress.submitter import Submitter
from tests.stress.warmup import warm_up

KEPT_SECONDS: Final = 45
"""Longer than the longest pause of a watcher; short, so that soon as much expires as comes."""
SETTINGS: Final = {
    "handlers": f"{KINDS},tests.stress.kinds",
    "concurrency": 20,
    "lease_seconds": 10,
    "result_ttl_seconds": KEPT_SECONDS,
    "idempotency_ttl_seconds": KEPT_SECONDS,
    "upload_ttl_seconds": KEPT_SECONDS,
    **TELLING,
}
TOLD_SECONDS: Final = 30.0
END_SECONDS: Final = 60.0
SEED: Final = 1


async def soak(plan: Plan, folder: Path) -> list[str]:
    """Prints its readings; what is not as it should be."""
    async with ProbedHouse(folder, **SETTINGS) as house:
        fleet = Fleet(house, webs=1, workers=1)
        readings = Readings(fleet)
        await fleet.complete()
        await warm_up(fleet)
        before = await until_quiet(fleet, idle)
        refusals = await _churn(plan, fleet, readings)
        after = await until_quiet(fleet, partial(verdict.of_census, before))
        left = await until_forgotten(house, KEPT_SECONDS)
        for gauge in readings.gauges.values():
            print(f"  {gauge}")
        grown = [gauge.problem for gauge in readings.gauges.values() if gauge.problem]
        return [*grown, *refusals, *verdict.of_census(before, after), *(f"a key is left: {key}" for key in left)]


async def _churn(plan: Plan, fleet: Fleet, readings: Readings) -> list[str]:
    """What was refused on the way."""
    limits = httpx.Limits(max_connections=None)
    async with (
        httpx.AsyncClient(timeout=30, trust_env=False, limits=limits) as client,
        outside(lambda: fleet.ports, client, plan.seed) as world,
        Audience(lambda: fleet.ports, client, plan.seed) as audience,
    ):
        submitter = Submitter(lambda: fleet.ports, client, audience.watch, world.url)
        reading = asyncio.create_task(readings.take())
        telling = asyncio.create_task(_tell(readings, submitter))
        await _submit_all(plan, submitter)
        audience.calm()
        for task in (reading, telling):
            task.cancel()
        await asyncio.gather(reading, telling, return_exceptions=True)
        untold = await _untold(audience)
        return [*audience.refusals, *untold, *(line for asked in submitter.asked.values() for line in asked.refusals)]


async def _submit_all(plan: Plan, submitter: Submitter) -> None:
    """Each at its time, and to the end of what was begun."""
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for submit in plan.submits:
            await asyncio.sleep(max(0, began + submit.at - time.monotonic()))
            group.create_task(submitter.carry_out(submit))


async def _tell(readings: Readings, submitter: Submitter) -> None:
    began = time.monotonic()
    while True:
        await asyncio.sleep(TOLD_SECONDS)
        figures = ", ".join(f"{name} {value:.6g}" for name, value in readings.latest.items())
        print(f"  {time.monotonic() - began:4.0f} s  {len(submitter.asked)} submissions, {figures}", flush=True)


async def _untold(audience: Audience) -> list[str]:
    """Who does not hear of the end in time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(END_SECONDS):
            while audience.waiting:
                await asyncio.sleep(0.1)
    return [f"not told: {who}" for who in audience.waiting]


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.stress.soak")
    parser.add_argument("--minutes", type=float, default=10)
    seconds = parser.parse_args().minutes * 60
    folder = Path(tempfile.mkdtemp(prefix="tidings-soak-", dir="/tmp"))
    problems = asyncio.run(soak(plan.make_calm(SEED, seconds), folder))
    for problem in problems:
        print(f"NOT HELD  {problem}")
    if problems:
        print(f"the logs are in {folder}")
    else:
        shutil.rmtree(folder)
        print("everything stayed flat")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
