"""The job store: every change of a job goes through here into one Lua script, so poll, stream and webhook agree.

Times go in and come out as milliseconds on Redis's clock.
"""

import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic_core import from_json
from redis.asyncio import Redis

from app.errors import IdempotencyConflict, IllegalChange, StaleRun, UnknownJob
from app.events import Event, json_text
from app.jobs import Artifact, Job, Status, Submission
from app.queue import payload
from app.store.scripts import Scripts

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


TAG_SEPARATOR: Final = "\x1f"


@dataclass(frozen=True, slots=True)
class Change:
    """One event to apply. `data` is a JSON object as text; `argument` as `apply.lua` says for the type."""

    type: str
    data: str
    argument: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """A claimed job: what a worker needs to run it. `params` is a JSON object as text."""

    job_id: str
    token: str
    kind: str
    owner: str
    attempt: int
    max_attempts: int
    timeout_ms: int
    params: str


@dataclass(frozen=True, slots=True)
class Claims:
    """Runs claimed, and the milliseconds until something else is due (None: nothing waits)."""

    runs: tuple[Run, ...]
    next_due_ms: int | None


@dataclass(frozen=True, slots=True)
class Renewal:
    """Runs that are no longer the worker's, and runs whose cancel was requested."""

    lost: frozenset[str]
    cancelled: frozenset[str]


@dataclass(frozen=True, slots=True)
class View:
    """A job and the retained events after the seq asked for, in one moment."""

    job: Job
    events: tuple[Event, ...] = ()


class JobStore:
    """Raises Unavailable when Redis cannot be reached; what was not answered may have happened."""

    def __init__(self, redis: Redis, *, max_log_events: int = 10_000, idempotency_ttl_ms: int = 86_400_000) -> None:
        self._scripts = Scripts(redis)
        self._max_log_events = max_log_events
        self._idempotency_ttl_ms = idempotency_ttl_ms

    async def submit(self, submission: Submission) -> tuple[Job, bool]:
        """Accept a job. Returns it, and whether it is an earlier one of the same idempotency key.

        Raises IdempotencyConflict when that key stands for another request.
        """
        s = submission
        fields = ["kind", s.kind, "owner", s.owner, "queue", s.queue, "max_attempts", s.max_attempts]
        fields += ["timeout", s.timeout_ms, "ttl", s.result_ttl_ms]
        fields += ["priority", s.priority] if s.priority else []
        fields += ["tags", TAG_SEPARATOR.join(s.tags)] if s.tags else []
        verdict, job_id, *accepted = await self._scripts.run(
            "submit",
            (
                s.job_id,
                json_text(fields),
                s.params,
                s.delay_ms,
                payload(s.job_id),
                s.idempotency_key,
                s.fingerprint,
                self._idempotency_ttl_ms,
                s.start_within_ms,
            ),
        )
        if verdict == b"conflict":
            raise IdempotencyConflict(
                "Send a new key with a new request.", header="Idempotency-Key", job_id=job_id.decode()
            )
        if accepted:  # told from what is known here: nothing that could fail comes after the acceptance
            return Job.submitted(submission, *accepted), False
        earlier = await self.read(job_id.decode())
        if earlier is None:
            raise UnknownJob("The job of this key is no longer kept.", job_id=job_id.decode())
        return earlier.job, True

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

    async def claim(
        self, worker: str, queues: Sequence[str], slots: int, *, lease_ms: int, kinds: Collection[str], number: int = 0
    ) -> Claims:
        """Take what is due from the queues, in their order, up to `slots` runs with a lease of `lease_ms`.

        A worker numbers its calls from 1: one made again under its number, within a lease, brings the same runs.
        """
        known = json_text(dict.fromkeys(kinds, 1))
        wait, *runs = await self._scripts.run(
            "claim", (worker, slots, lease_ms, number or secrets.token_hex(8), known, *queues)
        )
        return Claims(tuple(map(_run, runs)), None if wait < 0 else wait)

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
        return _view(job_id, reply) if reply else None

    async def read_many(self, job_ids: Sequence[str]) -> list[Job]:
        """Those of the jobs that exist, without results too large to be events."""
        replies = await self._scripts.run_many("read", [(job_id, "", "") for job_id in job_ids])
        return [_view(job_id, reply).job for job_id, reply in zip(job_ids, replies, strict=True) if reply]


def _run(reply: Sequence[Any]) -> Run:
    job_id, token, kind, owner, attempt, max_attempts, timeout_ms, params = reply
    return Run(
        job_id.decode(),
        token.decode(),
        kind.decode(),
        owner.decode(errors="replace"),
        attempt,
        max_attempts,
        timeout_ms,
        params.decode(errors="replace"),  # else one that has gone bad would cost the others of its claim an attempt
    )


def _view(job_id: str, reply: Sequence[Any]) -> View:
    flat, result, last, progress, artifacts, position, now, entries = reply
    record = {flat[i].decode(): flat[i + 1].decode(errors="replace") for i in range(0, len(flat), 2)}
    end = from_json(last) if last else {}
    job = Job(
        job_id=job_id,
        kind=record["kind"],
        status=Status(record["status"]),
        owner=record["owner"],
        queue=record["queue"],
        seq=int(record["seq"]),
        attempt=int(record["attempt"]),
        max_attempts=int(record["max_attempts"]),
        created_at=int(record["created"]),
        updated_at=int(record["updated"]),
        tags=tuple(filter(None, record.get("tags", "").split(TAG_SEPARATOR))),
        priority=int(record.get("priority", 0)),
        started_at=_moment(record.get("started")),
        finished_at=_moment(record.get("finished")),
        expires_at=_moment(record.get("expires")),
        retry_at=_moment(record.get("due")),
        cancel_requested_at=_moment(record.get("cancel")),
        waiting_for=record.get("waiting"),
        trimmed_seq=int(record.get("trimmed", 0)),
        position=position,
        progress=from_json(progress) if progress else None,
        result=from_json(result) if result else end.get("result"),
        error=end.get("error"),
        artifacts=_artifacts(artifacts),
        as_of=now,
    )
    return View(job, tuple(_event(job_id, *entry) for entry in entries))


def _moment(text: str | None) -> int | None:
    return None if text is None else int(text)


def _artifacts(entries: Iterable[bytes]) -> tuple[Artifact, ...]:
    """`<seq> <JSON>` each, in the order they were saved."""
    pairs = sorted((int(seq), text) for seq, _, text in (entry.partition(b" ") for entry in entries))
    return tuple(Artifact(**from_json(text)) for _, text in pairs)


def _event(job_id: str, entry_id: bytes, fields: Sequence[bytes]) -> Event:
    values = dict(zip(fields[::2], fields[1::2], strict=True))
    seq = int(entry_id.partition(b"-")[0])
    return Event(job_id, seq, values[b"t"].decode(), int(values[b"a"]), values[b"d"].decode())
