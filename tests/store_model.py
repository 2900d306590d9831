"""What the store promises (the design, docs/api.md, docs/decisions.md), as plain Python: no Redis, only the words.

`tests/test_store_machine.py` plays the same moves on this and on the scripts, and compares.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple
from unittest.mock import ANY

from pydantic_core import from_json

from app.clock import rfc3339
from app.errors import IdempotencyConflict, UnknownJob
from app.jobs import Job, Status, Submission
from app.store import Change, Renewal
from tests.job_model import Entry, ModelJob, permit

DAY_MS: Final = 86_400_000
UNWATCHED_MS: Final = 3_000
"""Who could, looks for what is overdue more often than that."""
PATIENCE_MS: Final = 11_000
"""For those who could not, to come back."""


class Known(NamedTuple):
    """What an idempotency key stands for."""

    job_id: str
    fingerprint: str
    expires: int


class Answer(NamedTuple):
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
        self.answers: dict[str, Answer] = {}
        self.seen: int | None = None
        self.patience = now
        self._most = max_log_events
        self._key_ms = idempotency_ttl_ms
        self._announced = frozenset(announced)

    # Moves

    def submit(self, of: Submission) -> tuple[Job | None, bool]:
        key = (of.owner, of.idempotency_key)
        if known := self.keys.get(key):
            if known.fingerprint != of.fingerprint:
                raise IdempotencyConflict
            if known.job_id not in self.jobs:
                raise UnknownJob
            return self.read(known.job_id), True
        if of.idempotency_key:
            self.keys[key] = Known(of.job_id, of.fingerprint, self.now + self._key_ms)
        job = self.jobs[of.job_id] = ModelJob(of)
        self._pend(job, {"reason": "submitted"}, of.delay_ms)
        job.deadline = self.now + of.delay_ms + of.start_within_ms if of.start_within_ms else None
        return self.read(of.job_id), False

    def claim(
        self,
        worker: str,
        queues: Sequence[str],
        slots: int,
        lease_ms: int,
        kinds: Iterable[str],
        number: int,
        tokens: Mapping[str, str],
    ) -> tuple[list[ModelJob], int | None]:
        """The runs, whose `tokens` the scripts have made, and in how many ms something is due."""
        answer = self.answers.get(worker)
        if answer and number and answer.number == number:
            runs = [job for job, token in answer.runs if job.token == token]
            for job in runs:
                job.deadline = self.now + lease_ms
            return runs, 0
        self.settle_overdue()
        runs = []
        for job in (job for name in queues for job in self.due(name)):
            if len(runs) < slots and job in self.overdue:
                self._settle(job)
            elif len(runs) < slots and job.of.kind in kinds:
                self._start(job, worker, tokens.get(job.of.job_id, "none"), lease_ms)
                runs.append(job)
            elif len(runs) < slots and job.of.kind not in self._announced:
                self._fail(job, "unknown_kind")
        if runs:
            self.answers[worker] = Answer(number, [(job, job.token or "") for job in runs], self.now + lease_ms)
        return runs, self._next_due_ms(queues, slots_left=len(runs) < slots)

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

    # What can be seen

    def read(self, job_id: str) -> Job | None:
        if (job := self.jobs.get(job_id)) is None:
            return None
        is_due = job in self.due(job.of.queue)
        return job.shown(self.queue(job.of.queue).index(job) if is_due else None)

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

    def queue(self, name: str) -> list[ModelJob]:
        """Pending jobs in the order in which they are to start."""
        jobs = [job for job in self.jobs.values() if job.due is not None and job.of.queue == name]
        return sorted(jobs, key=lambda job: (job.due, job.of.job_id))

    def due(self, name: str) -> list[ModelJob]:
        return [job for job in self.queue(name) if job.due is not None and job.due <= self.now]

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
            moments |= {at for at in (job.due, job.deadline, job.expires_at) if at is not None}
            moments |= {job.expires_at + DAY_MS} if job.expires_at else set()
        return sorted({at - self.now + near for at in moments for near in (-1, 0, 1) if at + near > self.now})

    # What happens

    def _next_due_ms(self, queues: Sequence[str], *, slots_left: bool) -> int | None:
        """Until a claim finds something new. What was due and left while there were slots is for other workers."""
        waiting = [job for name in queues for job in self.queue(name) if not (slots_left and job in self.due(name))]
        moments = [max(job.due or 0, self.now) for job in waiting]
        moments += [job.deadline for job in self.jobs.values() if job.deadline and job.deadline > self.now]
        return min(moments) - self.now if moments else None

    def _settle(self, job: ModelJob) -> None:
        if job.due is not None:
            self._fail(job, "expired")
        elif job.waiting:
            self._fail(job, "callback_timeout")
        elif job.cancel:
            self._end(job, "cancelled", {"by": job.cancel.data["by"], "stage": "worker_lost"})
        elif job.attempt >= job.of.max_attempts:
            self._fail(job, "worker_lost")
        else:
            self._pend(job, {"reason": "worker_lost"})

    def _carry_out(self, job: ModelJob, change: Change) -> None:
        data = from_json(change.data)
        match change.type:
            case "cancel_requested":
                self._ask_to_stop(job, data)
            case "pending" | "waiting" | "cancelled" if job.cancel:
                self._end(job, "cancelled", {"by": job.cancel.data["by"], "stage": "processing"})
            case "pending" if change.argument in {"interrupted", "surrendered"}:
                job.attempt -= 1
                self._pend(job, data)
            case "pending":
                self._pend(job, data, int(change.argument))
            case "waiting":
                job.token, job.waiting, job.deadline = None, data["for"], self.now + int(change.argument)
                self._tell(job, "waiting", data | {"deadline": rfc3339(job.deadline)})
            case "completed" | "failed" | "cancelled":
                job.large_result = change.argument or None
                self._end(job, change.type, data)
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
        job.attempt += 1
        job.worker, job.token, job.parts, job.due, job.deadline = worker, token, 0, None, self.now + lease_ms
        self._tell(job, "processing", {"attempt": job.attempt, "worker": worker})

    def _pend(self, job: ModelJob, data: dict[str, Any], delay_ms: int = 0) -> None:
        job.token, job.waiting, job.deadline, job.due = None, None, None, self.now + delay_ms
        self._tell(job, "pending", data | ({"retry_at": rfc3339(job.due)} if "retry_at" in data else {}))
        if not delay_ms:
            self.woken.add(job.of.queue)

    def _fail(self, job: ModelJob, code: str) -> None:
        self._end(job, "failed", {"error": {"code": code, "message": ANY}})

    def _end(self, job: ModelJob, status: str, data: dict[str, Any]) -> None:
        job.token, job.waiting, job.deadline, job.due = None, None, None, None
        self._tell(job, status, data)
        if job.artifacts:
            self.with_files[job.of.job_id] = self.now + job.of.result_ttl_ms

    def _tell(self, job: ModelJob, type: str, data: dict[str, Any]) -> None:
        self.published.append((job, job.tell(type, self.now, data)))
