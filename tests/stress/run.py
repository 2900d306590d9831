"""One stress run: warm up, count, let the plan happen, wait for the ends, count again, and judge.

Called by `python -m tests.stress` and by `test_stress.py`.
"""

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx

from app.store import Filter, Listing
from tests.faults.house import KINDS, until
from tests.stress import journal, verdict
from tests.stress.audience import Audience
from tests.stress.census import Census
from tests.stress.fleet import Fleet, ProbedHouse
from tests.stress.outside import TELLING, Outside, outside
from tests.stress.plan import Plan
from tests.stress.quiet import idle, until_forgotten, until_quiet
from tests.stress.submitter import TAG, Submitter
from tests.stress.verdict import Collected, Outcome
from tests.stress.warmup import warm_up

END_SECONDS: Final = 90.0
"""After the chaos, until every job has ended, and then until every watcher knows."""
TOLD_SECONDS: Final = 5.0
"""After that it is said who does not know yet."""
RESULT_TTL_SECONDS: Final = 3_600
OWNER: Final = "default"
PAGE: Final = 200
SETTINGS: Final = {
    "handlers": f"{KINDS},tests.stress.kinds",
    "result_ttl_seconds": RESULT_TTL_SECONDS,
    "idempotency_ttl_seconds": RESULT_TTL_SECONDS,
    "upload_ttl_seconds": RESULT_TTL_SECONDS,
    **TELLING,
}


@dataclass(frozen=True, slots=True)
class Report:
    """What happened, in figures, and what was not held."""

    problems: list[str]
    figures: dict[str, Any]
    collected: Collected


async def run(plan: Plan, folder: Path, say: Callable[[str], None]) -> Report:
    """All of it. `folder` keeps the processes' logs; its path must be short, as there is a socket in it."""
    async with ProbedHouse(folder, **SETTINGS) as house:
        return await Run(plan, house, say).whole()


class Run:
    """A house under stress."""

    def __init__(self, plan: Plan, house: ProbedHouse, say: Callable[[str], None]) -> None:
        self._plan = plan
        self._house = house
        self._say = say
        self._fleet = Fleet(house)
        self._listing = Listing(house.redis, house.jobs)

    async def whole(self) -> Report:
        await self._fleet.complete()
        await warm_up(self._fleet)
        before = await until_quiet(self._fleet, idle)
        self._say(f"warm: {_brief(before)}")
        async with httpx.AsyncClient(timeout=10, trust_env=False, limits=httpx.Limits(max_connections=None)) as client:
            collected = await self._stressed(client)
        collected.before = before
        collected.after = await until_quiet(self._fleet, partial(verdict.of_census, before))
        self._say(f"quiet: {_brief(collected.after)}")
        collected.keys_left = await until_forgotten(self._house, RESULT_TTL_SECONDS)
        collected.misconduct = [*self._fleet.misconduct, *journal.complaints(self._house.folder)]
        return Report(verdict.problems(collected), self._figures(collected), collected)

    # Chaos

    async def _stressed(self, client: httpx.AsyncClient) -> Collected:
        ports, seed = (lambda: self._fleet.ports), self._plan.seed
        async with outside(ports, client, seed) as world, Audience(ports, client, seed) as audience:
            submitter = Submitter(ports, client, audience.watch, world.url)
            await self._chaos(submitter, audience)
            await self._ends(audience)
            outcomes = await self._outcomes(submitter)
            await self._webhooks(submitter, outcomes, world)
            hashes = {i: await self._hashes(client, outcome) for i, outcome in outcomes.items() if _saved(outcome)}
            return Collected(
                asked=list(submitter.asked.values()),
                outcomes=outcomes,
                seen=audience.seen,
                feeds=audience.feeds,
                polled=audience.polled,
                refusals=audience.refusals,
                artifacts=hashes,
                webhooks=dict(world.webhooks),
            )

    async def _ends(self, audience: Audience) -> None:
        """Until every watcher has been told the end."""
        began = time.monotonic()

        async def all_told() -> bool:
            return not audience.waiting

        try:
            await until(all_told, TOLD_SECONDS)
        except TimeoutError:
            for waiting in audience.waiting:
                self._say(f"not told yet: {waiting}")
            await self._until(all_told, END_SECONDS)
        self._say(f"all watchers know {time.monotonic() - began:.1f} s after that")

    async def _webhooks(self, submitter: Submitter, outcomes: Mapping[str, Outcome], world: Outside) -> None:
        """Until the world knows each end it was to be told,"""
        began = time.monotonic()
        wanted = verdict.webhooks_of(submitter.asked.values(), outcomes)

        async def all_taken() -> bool:
            return all(world.webhooks[each].taken for each in wanted)

        await self._until(all_taken, END_SECONDS)
        self._say(f"{len(wanted)} webhooks were taken {time.monotonic() - began:.1f} s after that")

    async def _chaos(self, submitter: Submitter, audience: Audience) -> None:
        self._say(f"{len(self._plan.submits)} submissions, {len(self._plan.strikes)} faults")
        enough = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._fleet.keep_complete(enough))
            submits = [group.create_task(_at(s.at, submitter.carry_out(s))) for s in self._plan.submits]
            strikes = [group.create_task(_at(s.at, self._fleet.strike(s))) for s in self._plan.strikes]
            await _at(self._plan.seconds, _all(strikes))
            audience.calm()
            await _all(submits)
            calm_at = time.monotonic()
            await self._until(self._nothing_active, END_SECONDS)
            self._say(f"all jobs have ended {time.monotonic() - calm_at:.1f} s after the chaos")
            enough.set()
        await self._fleet.complete()

    async def _nothing_active(self) -> bool:
        return not await self._listing.active(OWNER, 1)

    async def _until(self, condition: Callable[[], Coroutine[Any, Any, bool]], seconds: float) -> None:
        """Or until the time is over: then the verdict says what is missing."""
        try:
            await until(condition, seconds)
        except TimeoutError:
            self._say(f"not within {seconds:.0f} s")

    # What is collected

    async def _outcomes(self, submitter: Submitter) -> dict[str, Outcome]:
        """Of all jobs there are, accepted with our knowledge or not."""
        ids = {i for asked in submitter.asked.values() for i in asked.job_ids}
        ids |= {job_id async for job_id in self._listed()}
        views = {job_id: await self._house.jobs.read(job_id, after=0) for job_id in sorted(ids)}
        return {i: Outcome(view.job, view.events) for i, view in views.items() if view and _is_planned(view.job.tags)}

    async def _listed(self) -> Any:
        cursor: str | None = None
        while True:
            page = await self._listing.page(OWNER, Filter(), limit=PAGE, cursor=cursor)
            for job in page.jobs:
                yield job.job_id
            if (cursor := page.next_cursor) is None:
                return

    async def _hashes(self, client: httpx.AsyncClient, outcome: Outcome) -> list[str]:
        """Of its artifacts, as they come."""
        hashes = []
        for artifact in outcome.job.artifacts:
            url = artifact.shown(f"http://127.0.0.1:{self._fleet.ports[0]}/api/jobs/{outcome.job.job_id}")["url"]
            content = (await client.get(url)).raise_for_status().content
            hashes.append(hashlib.sha256(content).hexdigest())
        return hashes

    def _figures(self, collected: Collected) -> dict[str, Any]:
        ends = Counter(verdict.end_of(outcome.job) for outcome in collected.outcomes.values())
        attempts = Counter(outcome.job.attempt for outcome in collected.outcomes.values())
        return {
            "submissions": len(collected.asked),
            "accepted": sum(asked.accepted for asked in collected.asked),
            "jobs": len(collected.outcomes),
            "ends": dict(ends.most_common()),
            "attempts": dict(sorted(attempts.items())),
            "faults": self._fleet.strikes,
            "watches": len(collected.seen),
            "events told": sum(len(seen.events) for seen in collected.seen),
            "feed connections": len(collected.feeds),
            "events told by feeds": sum(len(feed.events) for feed in collected.feeds),
            "webhooks": len(collected.webhooks),
            "attempts at them": sum(len(told.bodies) for told in collected.webhooks.values()),
            "hung up on": journal.hang_ups(self._house.folder),
        }


async def _at(seconds: float, work: Coroutine[Any, Any, None]) -> None:
    await asyncio.sleep(seconds)
    await work


async def _all(tasks: Sequence[asyncio.Task[None]]) -> None:
    if tasks:
        await asyncio.wait(tasks)


def _is_planned(tags: tuple[str, ...]) -> bool:
    return any(tag.startswith(TAG) for tag in tags)


def _saved(outcome: Outcome) -> bool:
    return outcome.job.kind == "saving" and outcome.job.status == "completed"


def _brief(now: Census) -> str:
    roles = sorted({count.role for count in now.processes.values()})
    return ", ".join(f"{role} {_most(now, role)}" for role in roles)


def _most(now: Census, role: str) -> str:
    counts = [count for count in now.processes.values() if count.role == role]
    descriptors = max(sum(count.descriptors.values()) for count in counts)
    tasks = max(sum(count.tasks.values()) for count in counts)
    return f"≤ {max(c.threads for c in counts)} threads, {descriptors} descriptors, {tasks} tasks"
