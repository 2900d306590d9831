"""arq's worker with its limits lifted: claims by one script, wakes without polling, holds leases, outlives Redis.

Put together by `workers/main.py`. arq's `run_job` is used as it is; what is overridden is pinned by
`tests/test_arq_contract.py`, since arq promises none of it. The job's own record tells everything: nothing of arq's
results, retries, aborts or hooks is used.
"""

import asyncio
import itertools
import math
import os
import re
import secrets
import socket
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

import structlog
from arq.connections import ArqRedis
from arq.utils import timestamp_ms
from arq.worker import Worker, func

from app.bus import Bus
from app.errors import Unavailable
from app.periodic import Periodic, backoff
from app.queue import FUNCTION, decode, encode
from app.settings import Settings
from app.store import Change, JobStore, KindStore, Nudges, Run, WorkerStore
from app.store.jobs import worker_channel
from app.store.reach import is_misplaced, reaching
from workers.claiming import Claiming
from workers.drain import Drain
from workers.leases import Leases
from workers.presence import Presence
from workers.registry import Registry
from workers.run.awaiting import gone
from workers.runner import Runner

ANNOUNCE_SECONDS: Final = 60.0
FALLBACK_SECONDS: Final = 1.0
"""Between looks at the queue when no wake-up comes: one may have been lost."""
NUDGE_SECONDS: Final = 2.0
"""How long one wait for a nudge lasts; less than Redis's clients wait for an answer."""
MOST_OVERTAKING: Final = 1_000
"""Cancels heard before their runs; those beyond come with the heartbeat."""
SURRENDER_SECONDS: Final = 2.0
"""For giving back what was left over; after that its leases run out."""
NO_LIMIT: Final = 2**31
UNREADABLE: Final = "The job's queue entry cannot be run."

SURRENDERED: Final = Change("pending", '{"reason":"interrupted"}', "surrendered")

log = structlog.get_logger()


def new_worker_id() -> str:
    """`<hostname>-<pid>-<random>`: at most 60 of A–Z a–z 0–9 . _ -, since scripts write it into JSON as it is."""
    host = re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())
    return f"{host[:40]}-{os.getpid()}-{secrets.token_hex(3)}"


class JobWorker(Worker):
    """Runs jobs of the registry's kinds from its queues until `stop` is called. To be made on a running loop."""

    def __init__(
        self,
        *,
        redis: ArqRedis,
        store: JobStore,
        kinds: KindStore,
        registry: Registry,
        runner: Runner,
        settings: Settings,
    ) -> None:
        super().__init__(
            [func(self._begin, name=FUNCTION)],
            redis_pool=redis,
            handle_signals=False,
            max_jobs=settings.concurrency,
            max_tries=NO_LIMIT,  # attempts and deadlines are the record's
            job_timeout=math.inf,
            keep_result=0,
            log_results=False,
            allow_abort_jobs=False,
            job_serializer=encode,
            job_deserializer=decode,
        )
        self.worker_id = new_worker_id()
        self._kinds = kinds
        self._registry = registry
        self._runner = runner
        self._queues: Sequence[str] = settings.queues
        self._leases = Leases(store, runner, settings.lease_seconds)
        self._claiming = Claiming(
            self.worker_id,
            store,
            registry,
            self._leases,
            queues=settings.queues,
            lease_seconds=settings.lease_seconds,
        )
        self._presence = Presence(WorkerStore(redis), self.worker_id, registry, settings)
        self._bus = Bus(redis, self._on_cancel, self._on_reconnect)
        self._nudges = Nudges(redis)
        self._claims = Periodic("claim", self._claim)
        self._announcements = Periodic("announce", self._announce)
        self._next_look = 0.0
        self._vacant = asyncio.Event()
        if settings.concurrency:
            self._vacant.set()
        self._waiting: dict[str, Run] = {}  # handed to arq, not begun
        self._overtaking: set[str] = set()  # to be cancelled, and not even begun
        self._left_over: Sequence[Run] = ()  # at the end, not ended
        self.drain = Drain(self._interrupt)

    async def main(self) -> None:
        """Work until stopped and every run has ended. When cancelled, runs are abandoned."""
        log.info("worker started", action="worker.started", worker=self.worker_id, queues=list(self._queues))
        async with asyncio.TaskGroup() as group:
            nudging = group.create_task(Periodic("nudge", self._await_nudge).run())
            around = [group.create_task(each) for each in self._surroundings()]
            try:
                await self._claims.run()
                await self._claiming.finish()
                await gone([nudging])  # what comes now is for others
                await self.drain.wait()
            finally:
                self._left_over = self._leases.runs
                await self.drain.finish()
                await gone([nudging, *around])
        await self._presence.leave()
        log.info("worker stopped", action="worker.stopped", worker=self.worker_id)

    def stop(self, grace_seconds: float) -> None:
        """Claim no more. What still runs after the grace is interrupted; another call can shorten it."""
        self.allow_pick_jobs = False
        self._claims.stop()
        self.drain.begin(grace_seconds)

    async def surrender(self) -> None:
        """Give back what did not end, as the last act of the process: with it goes what could not be ended.

        A job that is to be cancelled is left to its lease: `cancelled` is written only of what is gone.
        """
        with suppress(TimeoutError, Unavailable):
            async with asyncio.timeout(SURRENDER_SECONDS):
                await asyncio.gather(*(self._claiming.give_back(run, SURRENDERED) for run in self._left_over))

    def _surroundings(self) -> Iterator[Coroutine[Any, Any, None]]:
        yield self._bus.run()
        yield self._bus.subscribe(worker_channel(self.worker_id))
        yield self._leases.heartbeat.run()
        yield self._announcements.run()
        yield self._presence.telling.run()

    def _interrupt(self) -> None:
        for job_id in self.job_tasks:
            self._runner.interrupt(job_id)

    # What comes from outside

    def _on_cancel(self, _channel: str, payload: bytes) -> None:
        job_id = payload.decode(errors="replace")
        if not self._runner.cancel(job_id) and len(self._overtaking) < MOST_OVERTAKING:
            self._overtaking.add(job_id)

    def _on_reconnect(self) -> None:
        for periodic in (self._leases.heartbeat, self._announcements, self._presence.telling, self._claims):
            periodic.wake()

    async def _announce(self) -> float:
        if self.max_jobs:
            await self._kinds.announce(self._registry.kinds())
        return ANNOUNCE_SECONDS

    async def _await_nudge(self) -> float:
        await self._vacant.wait()
        queue = await self._nudges.wait(self._queues, NUDGE_SECONDS)
        if queue and self._free_slots:
            self._claims.wake()
        elif queue:
            await self._nudges.pass_on(queue)
        return 0

    # Claims

    @property
    def _free_slots(self) -> int:
        return self.max_jobs - self.job_counter if self.allow_pick_jobs else 0

    async def _claim(self) -> float:
        self._next_look = FALLBACK_SECONDS
        await self._poll_iteration()
        return self._next_look

    async def _poll_iteration(self) -> None:
        for job_id, task in list(self.tasks.items()):
            if task.done():
                del self.tasks[job_id]
        if not self._free_slots:
            return
        claims = await self._claiming.claim(self._free_slots)
        if not self.allow_pick_jobs:  # we were stopped while the claim was on its way
            return await self._claiming.decline(claims.runs)
        await self.start_jobs([run.job_id.encode() for run in claims.runs])
        if claims.next_due_ms is not None:
            self._next_look = min(FALLBACK_SECONDS, claims.next_due_ms / 1000)

    async def start_jobs(self, job_ids: list[bytes]) -> None:
        """Keeps the books as arq does, which `run_job` relies on. The lock arq takes here is the lease we hold."""
        for job_id in map(bytes.decode, job_ids):
            await self.sem.acquire()
            self.job_counter += 1
            work = self._carry_out(self._leases[job_id], self.tasks.get(job_id))
            self.tasks[job_id] = task = self.loop.create_task(work, name=job_id)
            self.drain.watch(task)
            task.add_done_callback(self._carried_out)
        if not self._free_slots:
            self._vacant.clear()

    def _carried_out(self, _: asyncio.Task[None]) -> None:
        self._release_sem_dec_counter_on_complete()
        self._vacant.set()
        self._claims.wake()

    # Runs

    async def _carry_out(self, run: Run, earlier: asyncio.Task[Any] | None) -> None:
        """A run from its claim to its end. What arq could not begin ends as well: rejected."""
        try:
            if earlier and not earlier.done():  # another run of this job, lost, which may not know it yet
                self._runner.lose(run.job_id)
                await asyncio.wait([earlier])
            self._waiting[run.job_id] = run
            await self._hand_to_arq(run)
            if run in self._leases and run.job_id in self._waiting:
                await self._runner.reject(run, UNREADABLE)
        finally:
            self._waiting.pop(run.job_id, None)
            self._leases.release(run)

    async def _hand_to_arq(self, run: Run) -> None:
        """arq reads what lies in its key and calls `_begin`, or `finish_failed_job` where that makes no sense to it.

        Tried for as long as the run is ours: Redis may be away, or take no writes, and that is not the job's doing.
        """
        for failures in itertools.count():
            try:
                return await reaching(self.run_job)(run.job_id, timestamp_ms())
            except Unavailable as error:
                if run not in self._leases or run.job_id not in self._waiting or is_misplaced(error):
                    return
                await asyncio.sleep(backoff(failures))
            except Exception:
                log.exception("queue entry not understood", action="run.unreadable", job_id=run.job_id)
                return

    async def _begin(self, ctx: dict[Any, Any], job_id: str) -> None:
        """The one function arq knows. `ctx` tells whose turn it is; the argument may say anything."""
        if job_id != ctx["job_id"]:
            return
        run = self._waiting.pop(job_id)
        if run not in self._leases:
            return
        if self.drain.interrupting:
            self.loop.call_soon(self._runner.interrupt, job_id)
        if job_id in self._overtaking:  # of this run, or of one before: the heartbeat's answer tells
            self._overtaking.discard(job_id)
            self.loop.call_soon(self._leases.heartbeat.wake)
        await self._runner.run(run)

    async def finish_job(  # noqa: PLR0917  arq's
        self,
        job_id: str,
        finish: bool,
        result_data: bytes | None,
        result_timeout_s: float | None,
        keep_result_forever: bool,
        incr_score: int | None,
        keep_in_progress: float | None,
    ) -> None:
        """Nothing is left to do: the runner has written the outcome, and the script removed arq's keys with it."""

    async def finish_failed_job(self, job_id: str, result_data: bytes | None) -> None:
        """arq could not make a call of what lay in its key."""
        reason = decode(result_data)["r"] if result_data else "unknown"
        await self._runner.reject(self._waiting[job_id], f"{UNREADABLE} ({reason})")
        self._waiting.pop(job_id, None)  # after the rejection: one that did not get through is tried again
