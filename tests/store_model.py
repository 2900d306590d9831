"""What the store promises (the design, docs/api.md, docs/decisions.md), as plain Python: no Redis, only the words.

`tests/test_store_machine.py` plays the same moves on this and on the scripts, and compares.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple
from unittest.mock import ANY

from pydantic_core import from_json

from app.callbacks import Answer, Awaited, Outcome, fingerprint
from app.clock import rfc3339
from app.errors import (
    CallbackConflict,
    CallbackOver,
    IdempotencyConflict,
    IllegalChange,
    NotRetryable,
    NotSuspendable,
    ResultExpired,
    UnknownCallback,
    UnknownJob,
)
from app.jobs import Job, Status, Submission
from app.store import Change, Renewal
from tests.job_model import Clocks, Entry, ModelJob, permit

DAY_MS: Final = 86_400_000
UNWATCHED_MS: Final = 3_000
"""Who could, looks for what is overdue more often than that."""
PATIENCE_MS: Final = 11_000
"""For those who could not, to come back."""
MOST_ANSWERS: Final = 16
"""Of a job, whose repeats are known."""
PRIORITY_MS: Final = 600_000
"""By a step of priority a job goes ahead of those that came so much earlier."""


class Known(NamedTuple):
    """What an idempotency key stands for."""

    job_id: str
    fingerprint: str
    expires: int


class Claimed(NamedTuple):
    """What a claim brought, for the worker to ask for once more."""

    number: int
    runs: list[tuple[ModelJob, str]]
    expires: int


class Model:
    """The store. Moves answer, or raise, as those of `JobStore` do; texts for people are ANY."""

    def __init__(self, now: int, *, max_log_events: int, idempotency_ttl_ms: int, announced: Iterable[str]) -> None:
        self.now = now
        self.jobs: dict[str, ModelJob] = {}
        self.keys: dict[tuple[str, str], Known] = {}
        self.with_files: dict[str, int] = {}
        self.published: list[tuple[ModelJob, Entry]] = []
        self.told_workers: list[tuple[str, str]] = []
        self.woken: set[str] = set()
        self.issued: list[tuple[str, str]] = []
        self.answers: dict[str, Claimed] = {}
        self.turn: dict[str, float] = {}
        self.turns: dict[tuple[str, str], float] = {}
        self.seen: int | None = None
        self.patience = now
        self._most = max_log_events
        self._key_ms = idempotency_ttl_ms
        self._announced = frozenset(announced)

    # Moves

    def submit(self, of: Submission) -> tuple[Job | None, str]:
        key = (of.owner, of.idempotency_key)
        if known := self.keys.get(key):
            if known.fingerprint != of.fingerprint:
                raise IdempotencyConflict
            return None, known.job_id
        job = self.jobs[of.job_id] = ModelJob(of)
        self._pend(job, {"reason": "submitted"}, of.delay_ms)
        job.deadline = self.now + of.delay_ms + of.start_within_ms if of.start_within_ms else None
        if of.idempotency_key:
            self.keys[key] = Known(of.job_id, of.fingerprint, self.now + self._key_ms)
        return job.shown(self.position(job)), of.job_id

    def claim(
        self,
        worker: str,
        queues: Sequence[str],
        slots: int,
        lease_ms: int,
        kinds: Mapping[str, int],
        number: int,
        tokens: Mapping[str, str],
    ) -> tuple[list[ModelJob], int | None]:
        """The runs, whose `tokens` the scripts have made, and in how many ms something is due."""
        answer = self.answers.get(worker)
        if answer and number and answer.number == number:
            again = [job for job, token in answer.runs if job.token == token]
            for job in again:
                job.deadline = self.now + lease_ms
            return again, 0
        self.settle_overdue()
        runs: list[ModelJob] = []
        more = False
        for name in queues:
            self._bring_in(name)
            while (first := self._next(name, kinds)) and len(runs) < slots:
                if first.status is Status.PENDING and first in self.overdue:
                    self._settle(first)
                elif first.of.kind in kinds:
                    self._start(first, worker, tokens.get(first.of.job_id, "none"), lease_ms)
                    runs.append(first)
                elif first.waiting:
                    self._stop_looking(first, first.wait.look)
                else:
                    self._fail(first, "unknown_kind")
            more = more or first is not None
        if runs:
            self.answers[worker] = Claimed(number, [(job, job.token or "") for job in runs], self.now + lease_ms)
        return runs, 0 if more else self._next_due_ms(queues)

    def retry(self, job_id: str, by: str) -> None:
        if (job := self.jobs.get(job_id)) is None:
            raise UnknownJob
        if job.status not in {Status.FAILED, Status.CANCELLED}:
            raise NotRetryable
        if job.expires_at is None or job.expires_at <= self.now:
            raise ResultExpired
        self.with_files.pop(job_id, None)
        job.series, job.attempt = len(job.log), 0
        job.bodies.pop(job.answers - 1, None)
        self._pend(job, {"reason": "retry", "by": by})
        job.trim(self._most)

    def suspend(self, job_id: str, by: str, for_ms: int) -> None:
        job = self._held_up(job_id)
        if job.suspended is None:
            self._leave_line(job)
            job.suspended, job.later = self.now, self.now + for_ms
            self._tell(job, "suspended", {"by": by, "until": rfc3339(job.later)})
        job.trim(self._most)

    def resume(self, job_id: str, by: str) -> None:
        job = self._held_up(job_id)
        if job.suspended is not None:
            self._resume(job, by)
        job.trim(self._most)

    def _held_up(self, job_id: str) -> ModelJob:
        if (job := self.jobs.get(job_id)) is None:
            raise UnknownJob
        if job.status is not Status.PENDING:
            raise NotSuspendable
        return job

    def purge(self, job_id: str) -> bool:
        if (job := self.jobs.get(job_id)) is None:
            return False
        if not job.ended:
            raise IllegalChange
        if job.artifacts:
            self.with_files[job_id] = 0
        del self.jobs[job_id]
        return True

    def apply(self, job_id: str, changes: Sequence[Change], token: str = "", part: int = 0) -> tuple[int, Status]:
        if (job := self.jobs.get(job_id)) is None:
            raise UnknownJob
        if token and token == job.token and 0 < part <= job.parts:
            return len(job.log), job.status
        for place, change in enumerate(changes, start=1):
            permit(job, change, token, last=place == len(changes), alone=len(changes) == 1)
        job.parts = part or job.parts
        for change in changes:
            self._carry_out(job, change)
        job.trim(self._most)
        return len(job.log), job.status

    def call_back(self, awaited: Awaited, what: str, answer: Answer | None) -> Outcome:
        """`answer` is None for a heartbeat and a progress of half."""
        if (job := self.jobs.get(awaited.job_id)) is None:
            raise UnknownCallback
        known = job.prints.get(awaited.wait)
        if known and answer:
            return self._compared(known, what, answer)
        too_late = job.waiting and job.wait.ends <= self.now
        if known or too_late or job.ended or awaited.wait != job.answers:
            raise CallbackOver
        if answer:
            self._keep_answer(job, fingerprint(what, answer.value), answer)
            if job.waiting and not (job.token and job.cancel):
                self._go_on(job)
                return Outcome.ACCEPTED
        elif job.waiting:
            self._hear(job, what)
        return Outcome.ACCEPTED if job.waiting else Outcome.EARLY

    def _compared(self, known: str, what: str, answer: Answer) -> Outcome:
        if known == Outcome.RECONCILED:
            return Outcome.RECONCILED
        if known != fingerprint(what, answer.value):
            raise CallbackConflict
        return Outcome.DUPLICATE

    def _hear(self, job: ModelJob, what: str) -> None:
        if what == "progress":
            self._tell(job, "progress", {"percent": 50.0})
        if job.wait.beat:
            job.wait.beat_by = self.now + job.wait.beat
        if not job.token:
            job.deadline = job.wait.next

    def renew(self, tokens: Mapping[str, str], lease_ms: int) -> Renewal:
        mine = [job for job_id, token in tokens.items() if (job := self.jobs.get(job_id)) and job.token == token]
        for job in mine:
            job.deadline = self.now + lease_ms
        return Renewal(
            lost=frozenset(tokens) - {job.of.job_id for job in mine},
            cancelled=frozenset(job.of.job_id for job in mine if job.cancel),
        )

    def settle_overdue(self) -> int:
        """What had to happen by now, and did not: but for a while not, after a time in which nothing could happen."""
        if self.seen is not None and self.now - self.seen > UNWATCHED_MS:
            self.patience = self.now + PATIENCE_MS
        self.seen = self.now
        overdue = self.overdue if self.now >= self.patience else []
        for job in overdue:
            self._settle(job)
        return len(overdue)

    def move_to(self, now: int) -> None:
        """Time takes what is kept no longer: a large result with its retention, the rest of the job a day later."""
        self.now = now
        self.keys = {key: known for key, known in self.keys.items() if known.expires > now}
        self.answers = {worker: answer for worker, answer in self.answers.items() if answer.expires > now}
        self.jobs = {i: job for i, job in self.jobs.items() if not job.expires_at or job.expires_at + DAY_MS > now}
        for job in self.jobs.values():
            if job.expires_at and job.expires_at <= now:
                job.large_result = None
                job.prints.clear()
                job.bodies.clear()

    # What can be seen

    def read(self, job_id: str) -> Job | None:
        job = self.jobs.get(job_id)
        return job.shown(self.position(job)) if job else None

    def position(self, job: ModelJob) -> int | None:
        """Of its owner's jobs those before it, and of each other owner's as many as have their turn till then."""
        if job.rank is None or job.status is not Status.PENDING:
            return None
        queue, owner = job.of.queue, job.of.owner
        waiting = [other for other in self._in_line(queue) if other.rank is not None]
        own = [other for other in waiting if other.of.owner == owner]
        mine = sum(_goes_before(other, job) for other in own)
        turn = self.turns[queue, owner]
        ahead = mine
        for other in {other.of.owner for other in waiting} - {owner}:
            sooner = (self.turns[queue, other], other) < (turn, owner)
            ahead += min(sum(each.of.owner == other for each in waiting), mine + sooner)
        return ahead

    def owners_in(self, queue: str) -> set[str]:
        """Those who have jobs in lanes."""
        return {job.of.owner for job in self._in_line(queue) if job.rank is not None}

    @property
    def left(self) -> dict[tuple[str, str], float]:
        """The turns to come of owners who have none there, by queue and owner."""
        return {
            (queue, owner): turn
            for (queue, owner), turn in self.turns.items()
            if owner not in self.owners_in(queue) and turn > self.turn.get(queue, 0)
        }

    @property
    def live(self) -> list[str]:
        return [job_id for job_id, job in self.jobs.items() if not job.ended]

    @property
    def held(self) -> list[tuple[str, str]]:
        """The runs that workers have: job id and run token."""
        return [(job_id, job.token) for job_id, job in self.jobs.items() if job.token]

    @property
    def waiting(self) -> list[str]:
        return [job_id for job_id, job in self.jobs.items() if job.waiting]

    def has_work(self, name: str) -> bool:
        """Whether a claim on this queue may find something."""
        return any(job.rank is not None or (job.later or 0) <= self.now for job in self._in_line(name))

    @property
    def overdue(self) -> list[ModelJob]:
        jobs = [job for job in self.jobs.values() if job.deadline is not None and job.deadline <= self.now]
        return sorted(jobs, key=lambda job: (job.deadline, job.of.job_id))

    @property
    def turns_ms(self) -> list[int]:
        """In how many ms something will be due, overdue or over, and a millisecond before and after that."""
        moments = {self.patience} | {known.expires for known in self.keys.values()}
        moments |= {answer.expires for answer in self.answers.values()}
        for job in self.jobs.values():
            moments |= {at for at in (job.later, job.deadline, job.expires_at) if at is not None}
            moments |= {job.expires_at + DAY_MS} if job.expires_at else set()
        return sorted({at - self.now + near for at in moments for near in (-1, 0, 1) if at + near > self.now})

    # What happens

    def _in_line(self, queue: str) -> list[ModelJob]:
        return [job for job in self.jobs.values() if job.of.queue == queue and (job.rank or job.later) is not None]

    def _bring_in(self, queue: str) -> None:
        """What has become due goes into its lane."""
        jobs = [job for job in self._in_line(queue) if job.later is not None and job.later <= self.now]
        for job in sorted(jobs, key=lambda job: (job.later, job.of.job_id)):
            if job.suspended is not None:
                self._resume(job, "time")
            else:
                self._push(job, job.due or self.now)

    def _next(self, queue: str, kinds: Mapping[str, int]) -> ModelJob | None:
        """Whose turn comes first, and its most urgent job, of kinds this worker may start or nobody knows."""
        heads: dict[str, ModelJob] = {}
        for job in self._in_line(queue):
            kind = job.of.kind
            if job.rank is not None and (
                self._is_open(kind, kinds[kind]) if kind in kinds else kind not in self._announced
            ):
                heads[kind] = min(heads.get(kind, job), job, key=self._turn_of)
        return min(heads.values(), key=self._turn_of, default=None)

    def _is_open(self, kind: str, most: int) -> bool:
        return not most or sum(bool(job.token) and job.of.kind == kind for job in self.jobs.values()) < most

    def _turn_of(self, job: ModelJob) -> tuple[float, str, int, str]:
        return self.turns[job.of.queue, job.of.owner], job.of.owner, job.rank or 0, job.of.job_id

    def _push(self, job: ModelJob, due: int) -> None:
        queue, owner = job.of.queue, job.of.owner
        waits = owner in self.owners_in(queue)
        started = job.first("processing")
        job.later, job.rank = None, (started.at if started else due) - job.of.priority * PRIORITY_MS
        self.turns[queue, owner] = max(self.turns.get((queue, owner), 0), 0 if waits else self.turn.get(queue, 0))

    def _leave_line(self, job: ModelJob) -> None:
        job.rank, job.later = None, None
        if not self.owners_in(job.of.queue):  # then all begin anew
            self.turns = {place: turn for place, turn in self.turns.items() if place[0] != job.of.queue}

    def _resume(self, job: ModelJob, by: str) -> None:
        self._leave_line(job)
        job.suspended = None
        self._tell(job, "resumed", {"by": by})
        self._stand_in_line(job, job.due if job.due and job.due > self.now else self.now)

    def _stand_in_line(self, job: ModelJob, due: int) -> None:
        if due > self.now:
            job.later = due
        else:
            self._push(job, due)
        self.woken.add(job.of.queue)

    def _next_due_ms(self, queues: Sequence[str]) -> int | None:
        """Until a claim finds something new."""
        moments = [max(job.later, self.now) for name in queues for job in self._in_line(name) if job.later is not None]
        moments += [job.deadline for job in self.jobs.values() if job.deadline and job.deadline > self.now]
        return min(moments) - self.now if moments else None

    def _settle(self, job: ModelJob) -> None:
        if job.status is Status.PENDING:
            self._fail(job, "expired")
        elif job.waiting and not job.token:
            self._move_on(job)
        elif job.cancel:
            self._end(job, "cancelled", {"by": job.cancel.data["by"], "stage": "worker_lost"})
        elif job.waiting:
            self._stop_looking(job, job.wait.look)
        elif job.attempt >= job.of.max_attempts:
            self._fail(job, "worker_lost")
        else:
            self._pend(job, {"reason": "worker_lost"})

    def _move_on(self, job: ModelJob) -> None:
        """A clock of a wait has run out."""
        if job.wait.ends <= self.now:
            self._fail(job, "callback_timeout")
        else:
            job.wait.look_at = None
            job.deadline = job.wait.next
            self._stand_in_line(job, self.now)

    def _keep_answer(self, job: ModelJob, print_: str, answer: Answer) -> None:
        job.prints[job.answers], job.bodies[job.answers], job.early = print_, answer, True
        job.prints.pop(job.answers - MOST_ANSWERS, None)

    def _go_on(self, job: ModelJob) -> None:
        job.bodies.pop(job.answers - 2, None)
        job.answers, job.early, job.attempt = job.answers + 1, False, job.attempt - 1
        self._pend(job, {"reason": "callback"})

    def _wait_on(self, job: ModelJob) -> None:
        if job.early:
            self._go_on(job)
        else:
            job.deadline = job.wait.next

    def _end_look(self, job: ModelJob, argument: str) -> None:
        if argument.startswith("answered ") and not job.early:
            self._keep_answer(job, Outcome.RECONCILED, Answer(False, argument[9:].encode(), ""))
        self._stop_looking(job, 0 if argument in {"interrupted", "surrendered"} else job.wait.look)

    def _stop_looking(self, job: ModelJob, after: int) -> None:
        self._leave_line(job)
        job.token, job.wait.look_at = None, self.now + after
        self._wait_on(job)

    def _begin_wait(self, job: ModelJob, data: dict[str, Any], argument: str) -> None:
        job.token, job.waiting = None, data["for"]
        if argument == "refused":
            job.answers, job.early = job.answers - 1, False
            for number in (job.answers, job.answers + 1):
                job.prints.pop(number, None)
                job.bodies.pop(number, None)
            deadline = job.wait.until or self.now
        else:
            span, beat, look = map(int, [*argument.split(" "), "0", "0"][:3])
            deadline = self.now + span
            job.wait = Clocks(
                deadline, beat, self.now + beat if beat else None, look, self.now + look if look else None
            )
        self._tell(job, "waiting", data | {"deadline": rfc3339(deadline)})
        self._wait_on(job)

    def _carry_out(self, job: ModelJob, change: Change) -> None:
        data = from_json(change.data)
        match change.type:
            case "cancel_requested":
                self._ask_to_stop(job, data)
            case "pending" | "waiting" | "cancelled" if job.cancel:
                self._end(job, "cancelled", {"by": job.cancel.data["by"], "stage": "processing"})
            case "pending" | "waiting" if job.waiting and job.token:
                self._end_look(job, change.argument)
            case "pending" if change.argument in {"interrupted", "surrendered"}:
                job.attempt -= 1
                self._pend(job, data)
            case "pending":
                self._pend(job, data, int(change.argument))
            case "waiting":
                self._begin_wait(job, data, change.argument)
            case "log" if change.argument == "verified" and job.latest_answer:
                job.bodies[job.answers - 1] = replace(job.latest_answer, headers="")
                self._tell(job, "log", data)
            case "completed" | "failed" | "cancelled":
                job.large_result = change.argument or None
                self._end(job, change.type, data)
            case "progress":
                self._tell(job, "progress", data | self._eta(job, data))
            case "artifact":
                self._tell(job, "artifact", data)
                job.artifacts[data["name"]] = (len(job.log), change.argument)
            case _:
                self._tell(job, change.type, data)

    def _ask_to_stop(self, job: ModelJob, data: dict[str, Any]) -> None:
        if job.ended or job.cancel:
            return
        if job.token:
            self._tell(job, "cancel_requested", data)
            self.told_workers.append((job.worker, job.of.job_id))
        else:
            self._end(job, "cancelled", {"by": data["by"], "stage": "waiting" if job.waiting else "pending"})

    def _start(self, job: ModelJob, worker: str, token: str, lease_ms: int) -> None:
        assert (job.of.job_id, token) not in self.issued, "a run token comes twice"
        self.issued.append((job.of.job_id, token))
        job.worker, job.token, job.parts, job.due, job.deadline = worker, token, 0, None, self.now + lease_ms
        queue, owner = job.of.queue, job.of.owner
        self.turn[queue] = max(self.turns[queue, owner], self.turn.get(queue, 0))
        self.turns[queue, owner] = self.turn[queue] + 1
        self._leave_line(job)
        if not job.waiting:
            job.attempt += 1
            job.begun = self.now
            self._tell(job, "processing", {"attempt": job.attempt, "worker": worker})

    def _eta(self, job: ModelJob, data: dict[str, Any]) -> dict[str, float]:
        """The rest at the speed so far, once that can be told."""
        if self.now - job.begun < 1_000 or not 1 <= data["percent"] < 100:
            return {}
        left = (self.now - job.begun) * (100 - data["percent"]) / data["percent"] / 1000
        return {"eta_seconds": float(f"{left:.1f}")}

    def _pend(self, job: ModelJob, data: dict[str, Any], delay_ms: int = 0) -> None:
        job.token, job.waiting, job.deadline = None, None, None
        if job.wait.look:
            self._leave_line(job)
        due = self.now + delay_ms
        job.due = due if delay_ms else None
        self._tell(job, "pending", data | ({"retry_at": rfc3339(due)} if "retry_at" in data else {}))
        self._stand_in_line(job, due)

    def _fail(self, job: ModelJob, code: str) -> None:
        self._end(job, "failed", {"error": {"code": code, "message": ANY}})

    def _end(self, job: ModelJob, status: str, data: dict[str, Any]) -> None:
        job.token, job.waiting, job.deadline, job.due, job.suspended = None, None, None, None, None
        job.wait = Clocks()
        self._leave_line(job)
        self._tell(job, status, data)
        if job.artifacts:
            self.with_files[job.of.job_id] = self.now + job.of.result_ttl_ms

    def _tell(self, job: ModelJob, type: str, data: dict[str, Any]) -> None:
        self.published.append((job, job.tell(type, self.now, data)))


def _goes_before(one: ModelJob, other: ModelJob) -> bool:
    """Of two jobs of one owner. Those of another kind do only where their rank is lower."""
    assert one.rank is not None
    assert other.rank is not None
    if one.of.kind != other.of.kind:
        return one.rank < other.rank
    return (one.rank, one.of.job_id) < (other.rank, other.of.job_id)
