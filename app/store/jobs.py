"""The job store: every change of a job goes through here into one Lua script, so poll, stream and webhook agree.

Times go in and come out as milliseconds on Redis's clock.
"""

import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from redis.asyncio import Redis

from app.errors import (
    IdempotencyConflict,
    IllegalChange,
    NotRetryable,
    NotSuspendable,
    ResultExpired,
    StaleRun,
    UnknownJob,
)
from app.events import json_text
from app.jobs import Job, Outlook, Status, Submission
from app.limits import POLL, UNBOUNDED, Admission, Allowance, KeyRate, Shares
from app.queue import payload
from app.store.acceptance import Acceptance, hook_of, not_admitted, record_fields, too_late
from app.store.claims import Claims, Renewal, Run, terms
from app.store.reach import reaching
from app.store.scripts import Scripts
from app.store.views import Look, View, view_of

PREFIX: Final = "tidings:"


def job_channel(job_id: str) -> str:
    """Where a job's events are published: `<seq>\\n<at>\\n<type>\\n<data>`."""
    return f"{PREFIX}{{{job_id}}}"


def feed_channel(owner: str) -> str:
    """Where an owner's events are published: `<job id>\\n<kind>\\n<tags>\\n` and the event as above."""
    return f"{PREFIX}feed:{owner}"


def worker_channel(worker: str) -> str:
    """Where a worker is told which of its jobs to cancel: the job id."""
    return f"{PREFIX}worker:{worker}"


@dataclass(frozen=True, slots=True)
class Change:
    """One event to apply. `data` is a JSON object as text; `argument` as `apply.lua` says for the type."""

    type: str
    data: str
    argument: str = ""


class JobStore:
    """Raises Unavailable when Redis cannot be reached; what was not answered may have happened."""

    def __init__(
        self,
        redis: Redis,
        *,
        max_log_events: int = 10_000,
        idempotency_ttl_ms: int = 86_400_000,
        admission: Admission | None = None,
        shares: Shares | None = None,
    ) -> None:
        self._redis = redis
        self._scripts = Scripts(redis)
        self._max_log_events = max_log_events
        self._idempotency_ttl_ms = idempotency_ttl_ms
        self._admission = admission or Admission()
        self._shares = shares or Shares()

    async def submit(self, submission: Submission, rate: KeyRate = UNBOUNDED) -> Acceptance:
        """Accept a job, unless its idempotency key has been seen: then answer as at that time. `rate` is the bound of
        the API key that it came with.

        Raises IdempotencyConflict when the key stands for another request, SubmitTooFast, QueueFull or StoreFull.
        """
        verdict, *reply = await self._submit(submission, rate=rate)
        match verdict:
            case b"accepted" | b"replayed":
                return self._acceptance(submission, rate, verdict == b"replayed", *reply)
            case b"conflict":
                raise IdempotencyConflict(
                    "Send a new key with a new request.", header="Idempotency-Key", job_id=reply[0].decode()
                )
            case b"too_late":
                raise too_late()
            case _:
                raise not_admitted(verdict, self._admission.submits(*reply, rate=rate))

    async def recall(self, submission: Submission) -> Acceptance | None:
        """The answer to an earlier call of this key and request, if there was one. Accepts nothing."""
        verdict, *reply = await self._submit(submission, "known")
        return self._acceptance(submission, UNBOUNDED, True, *reply) if verdict == b"replayed" else None

    async def _submit(self, s: Submission, what: str = "", rate: KeyRate = UNBOUNDED) -> list[Any]:
        reply: list[Any] = await self._scripts.run(
            "submit",
            (
                s.job_id,
                json_text(record_fields(s)),
                s.params,
                s.delay_ms,
                payload(s.job_id),
                s.idempotency_key,
                s.fingerprint,
                self._idempotency_ttl_ms,
                s.start_within_ms,
                self._admission.submits_per_minute,
                self._admission.most_live_per_owner,
                self._admission.most_live,
                s.run_at_ms,
                self._admission.longest_delay_ms,
                what,
                hook_of(s.callback_url),
                *rate,
            ),
        )
        return reply

    def _acceptance(
        self, submission: Submission, rate: KeyRate, replayed: bool, job_id: bytes, *answer: Any
    ) -> Acceptance:
        created_at, position, eta_ms, eta_p90_ms, left, next_ms = answer
        accepted = replace(submission, job_id=job_id.decode()) if replayed else submission
        job = Job.submitted(accepted, created_at, Outlook(position, eta_ms, eta_p90_ms))
        known_until = created_at + self._idempotency_ttl_ms if submission.idempotency_key else None
        return Acceptance(job, replayed, self._admission.submits(left, next_ms, rate=rate), known_until)

    async def apply(
        self, job_id: str, changes: Iterable[Change], *, token: str = "", part: int = 0
    ) -> tuple[int, Status]:
        """Write events, all or none, a change of status last. Returns the job's seq and status after them.

        `part` counts the calls of one run from 1, so that one whose answer got lost can be made again: it is written
        once. 0 is written each time.

        Raises UnknownJob, StaleRun (the token is no longer the job's) or IllegalChange.
        """
        arguments: list[str | int] = [job_id, token, self._max_log_events, part]
        for change in changes:
            arguments += (change.type, change.data, change.argument)
        verdict, seq, status = await self._scripts.run("apply", arguments)
        match verdict:
            case b"ok":
                return seq, Status(status.decode())
            case b"unknown":
                raise UnknownJob(job_id=job_id)
            case b"stale":
                raise StaleRun(job_id)
            case _:
                raise IllegalChange(f"{job_id}: not from {status.decode()}")

    async def cancel(self, job_id: str, by: str, reason: str | None = None) -> Status:
        """Ask for the end of a job: at once when no worker holds it, else its worker is told. Repeats change nothing.

        Raises UnknownJob.
        """
        data = {"by": by} | ({"reason": reason} if reason else {})
        _, status = await self.apply(job_id, [Change("cancel_requested", json_text(data))])
        return status

    async def suspend(self, job_id: str, by: str, for_ms: int) -> None:
        """Keep a pending job from starting for so long. Raises UnknownJob, NotSuspendable."""
        await self._hold(job_id, "suspend", by, for_ms)

    async def resume(self, job_id: str, by: str) -> None:
        """Let it start again. Raises UnknownJob, NotSuspendable."""
        await self._hold(job_id, "resume", by, 0)

    async def _hold(self, job_id: str, move: str, by: str, for_ms: int) -> None:
        match await self._scripts.run("hold", (job_id, move, by, for_ms, self._max_log_events)):
            case b"unknown":
                raise UnknownJob(job_id=job_id)
            case b"illegal":
                raise NotSuspendable("Only a pending job can be suspended or resumed.", job_id=job_id)

    async def retry(self, job_id: str, by: str) -> None:
        """Run a failed or cancelled job again: a new series of attempts, in the same log.

        Raises UnknownJob, NotRetryable, ResultExpired, QueueFull or StoreFull.
        """
        full = self._admission.most_live_per_owner, self._admission.most_live
        arguments = (job_id, by, payload(job_id), *full, self._max_log_events)
        match await self._scripts.run("retry", arguments):
            case b"unknown":
                raise UnknownJob(job_id=job_id)
            case b"illegal":
                raise NotRetryable("Only a failed or cancelled job can be run again.", job_id=job_id)
            case b"expired":
                raise ResultExpired("Its params are no longer kept.", job_id=job_id)
            case b"ok":
                pass
            case full:
                raise not_admitted(full)

    async def purge(self, job_id: str) -> bool:
        """Forget an ended job; whether there was one. Its files are left to the sweeper. Raises IllegalChange."""
        verdict = await self._scripts.run("purge", (job_id,))
        if verdict == b"illegal":
            raise IllegalChange(f"{job_id}: has not ended")
        return bool(verdict == b"ok")

    async def claim(
        self, worker: str, queues: Sequence[str], slots: int, *, lease_ms: int, kinds: Collection[str], number: int = 0
    ) -> Claims:
        """Take what is due from the queues, in their order, up to `slots` runs with a lease of `lease_ms`.

        `kinds` are those the worker knows; as a mapping, each with the most runs of it at once in all (0: any number).

        A worker numbers its calls from 1: one made again under its number, within a lease, brings the same runs.
        """
        call = number or secrets.token_hex(8)
        wait, *runs = await self._scripts.run(
            "claim", (worker, slots, lease_ms, call, terms(kinds, self._shares), *queues)
        )
        return Claims(tuple(map(Run.of, runs)), None if wait < 0 else wait)

    async def settle_overdue(self, limit: int = 256) -> int:
        """See to it that jobs whose deadline has passed go on or end, longest overdue first. Returns how many did.

        None does shortly after Redis was away: workers that live have yet to renew their leases (`overdue.lua`).
        """
        settled: int = await self._scripts.run("sweep", (limit,))
        return settled

    async def renew(self, tokens: Mapping[str, str], *, lease_ms: int) -> Renewal:
        """Move on the leases of the runs in `tokens` (job id to run token)."""
        pairs = [text for pair in tokens.items() for text in pair]
        lost, cancelled = await self._scripts.run("renew", (lease_ms, *pairs))
        return Renewal(frozenset(i.decode() for i in lost), frozenset(i.decode() for i in cancelled))

    async def read(self, job_id: str, *, after: int | None = None) -> View | None:
        """The job, and with `after` the retained events of a higher seq. None when there is no such job."""
        reply = await self._scripts.run("read", (job_id, "result", "" if after is None else after))
        return view_of(job_id, reply) if reply else None

    @reaching
    async def params(self, job_id: str) -> bytes | None:
        """What the job was given, as JSON. None when that is no longer kept."""
        params: bytes | None = await self._redis.get(f"{job_channel(job_id)}:params")
        return params

    async def poll(
        self,
        job_id: str,
        owner: str,
        who: str = "",
        *,
        most: int,
        known: int | None = None,
        after: int | None = None,
        waits: bool = False,
    ) -> Look | None:
        """How a job of this owner stands, or of EVERYBODY's, for a client that asks: `most` times in a row, then as
        often as `poll_ms` says. `who` asks, if it is not the owner. `known` is the seq it has; who then `waits` for
        another is not charged. None: no such job.
        """
        reply = await self._scripts.run(
            "poll",
            (job_id, owner, who or owner, _text(known), most, 0 if waits else 1, "result", _text(after)),
        )
        if not reply:
            return None
        allowed, left, next_ms, poll_ms, seq, ended, *view = reply
        allowance = Allowance(POLL, most, max(1, most * poll_ms // 1000), left, next_ms)
        return Look(bool(allowed), allowance, poll_ms, seq, bool(ended), view_of(job_id, view[0]) if view else None)

    async def place(self, job_ids: Sequence[str]) -> int:
        """Have the watchers of these jobs told of their positions, where they have changed enough. Returns how many."""
        told: int = await self._scripts.run("place", job_ids)
        return told

    async def read_many(self, job_ids: Sequence[str]) -> list[Job]:
        """Those of the jobs that exist, without results too large to be events."""
        replies = await self._scripts.run_many("read", [(job_id, "", "") for job_id in job_ids])
        return [view_of(job_id, reply).job for job_id, reply in zip(job_ids, replies, strict=True) if reply]


def _text(number: int | None) -> str:
    return "" if number is None else str(number)
