"""Batches: many jobs accepted at once, counted and told of as one. The scripts keep count (`lua/parts/tally.lua`).

A batch is staged in pieces, which nobody sees, and accepted by one small script. Its jobs are made after that, some at
a time, by whoever calls `work`: by `app/chores.py` in each process.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Redis

from app.batches import Batch
from app.errors import (
    IdempotencyConflict,
    NotRetryable,
    ResultExpired,
    Unavailable,
    UnknownBatch,
)
from app.events import json_text
from app.jobs import EVERYBODY, Status, Submission
from app.limits import POLL, UNBOUNDED, Admission, Allowance, KeyRate
from app.queue import payload
from app.store.acceptance import hook_of, not_admitted, record_fields, too_late
from app.store.jobs import PREFIX
from app.store.reach import reaching
from app.store.scripts import Scripts

STAGED_SECONDS: Final = 3_600
"""How long what was staged and never accepted is kept."""
PIECE_JOBS: Final = 100
PIECE_CHARACTERS: Final = 256 << 10
"""What is staged in one call."""
STEP_JOBS: Final = 25
"""What is made, cancelled or run again in one: Redis does nothing else for these five milliseconds."""
NEGLECTED_MS: Final = 1_000
"""A batch nobody has worked on for so long is anybody's."""


def batch_channel(batch_id: str) -> str:
    """Where it is published that a batch has changed: its seq."""
    return f"{PREFIX}batch:{batch_id}"


def batch_jobs_key(batch_id: str) -> str:
    """Its jobs, by their number in it."""
    return f"{PREFIX}batch:{{{batch_id}}}:jobs"


@dataclass(frozen=True, slots=True)
class BatchAcceptance:
    """The answer to a batch: as it was accepted, and whether by an earlier call of the same key, which is known until
    then (milliseconds; None without a key)."""

    batch: Batch
    replayed: bool
    allowance: Allowance
    key_expires_at: int | None = None


@dataclass(frozen=True, slots=True)
class BatchLook:
    """What came of asking how a batch stands: `batch` is None where that was refused, or nothing is new."""

    allowed: bool
    allowance: Allowance
    poll_ms: int
    seq: int
    ended: bool
    batch: Batch | None


@dataclass(frozen=True, slots=True)
class Order:
    """A batch before it is accepted, of one job at least."""

    batch_id: str
    owner: str
    submissions: Sequence[Submission] = ()
    idempotency_key: str = ""
    fingerprint: str = ""
    callback_url: str = ""


class BatchStore:
    """Raises Unavailable when Redis cannot be reached; what was not answered may have happened."""

    def __init__(
        self, redis: Redis, *, idempotency_ttl_ms: int = 86_400_000, admission: Admission | None = None
    ) -> None:
        self._redis = redis
        self._scripts = Scripts(redis)
        self._idempotency_ttl_ms = idempotency_ttl_ms
        self._admission = admission or Admission()

    async def accept(self, order: Order, rate: KeyRate = UNBOUNDED) -> BatchAcceptance:
        """Accept all its jobs, unless its idempotency key has been seen: then answer as at that time. `rate` is the
        bound of the API key that it came with.

        Raises IdempotencyConflict, InvalidJob where one is to run too late, SubmitTooFast, QueueFull or StoreFull; then
        there is none of them.
        """
        for piece in _pieces(map(_entry_of(order), order.submissions)):
            await self._stage(order.batch_id, piece)
        latest = max(range(len(order.submissions)), key=lambda n: order.submissions[n].run_at_ms)
        verdict, *reply = await self._commit(order, order.submissions[latest].run_at_ms, rate=rate)
        match verdict:
            case b"accepted" | b"replayed":
                return self._acceptance(order, rate, verdict == b"replayed", *reply)
            case b"conflict":
                raise _conflict()
            case b"too_late":
                raise too_late(f"/jobs/{latest}")
            case b"lost":
                raise Unavailable("The store has lost a part of the batch.", headers={"Retry-After": "1"})
            case _:
                raise not_admitted(verdict, self._admission.submits(*reply, rate=rate))

    async def recall(self, order: Order) -> BatchAcceptance | None:
        """The answer to an earlier call of this key and request, if there was one. Raises IdempotencyConflict."""
        verdict, *reply = await self._commit(order, 0, "known")
        if verdict == b"conflict":
            raise _conflict()
        return self._acceptance(order, UNBOUNDED, True, *reply) if verdict == b"replayed" else None

    async def poll(
        self, batch_id: str, owner: str, who: str = "", *, most: int, known: int | None = None
    ) -> BatchLook | None:
        """How a batch of this owner stands, or of EVERYBODY's, for a client that asks, as often as it may ask for a
        job. None: no such."""
        return await self._look(batch_id, who or owner, most, known, owner)

    async def read(self, batch_id: str) -> Batch | None:
        """A batch as it stands, whosever it is."""
        look = await self._look(batch_id, "", 1, None, EVERYBODY)
        return look.batch if look else None

    async def cancel(self, batch_id: str, owner: str, by: str = "") -> None:
        """Have all its jobs cancelled that have not ended, `by` its owner or an operator. Repeats change nothing.

        Raises UnknownBatch.
        """
        await self._command(batch_id, owner, "cancel", by)

    async def retry(self, batch_id: str, owner: str, by: str = "") -> None:
        """Have all its failed jobs run again.

        Raises UnknownBatch, NotRetryable, ResultExpired, QueueFull or StoreFull.
        """
        await self._command(batch_id, owner, "retry", by)

    async def work(self, batch_id: str = "", *, most: int = STEP_JOBS) -> tuple[str, bool]:
        """Do a step of what is to be done in a batch, or in the one that was neglected longest.

        Returns its id, empty where there was nothing to do, and whether more is left.
        """
        found, more = await self._scripts.run("chore", (batch_id, NEGLECTED_MS, most, payload("@")))
        return found.decode(), bool(more)

    @reaching
    async def _stage(self, batch_id: str, entries: Sequence[str]) -> None:
        key = f"{PREFIX}batch:{{{batch_id}}}:staged"
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.rpush(key, *entries)
            pipe.expire(key, STAGED_SECONDS)
            await pipe.execute()

    async def _commit(
        self, order: Order, latest_run_at_ms: int, what: str = "", rate: KeyRate = UNBOUNDED
    ) -> list[Any]:
        admission = self._admission
        reply: list[Any] = await self._scripts.run(
            "commit",
            (
                order.batch_id,
                order.owner,
                len(order.submissions),
                max((s.result_ttl_ms for s in order.submissions), default=0),
                order.idempotency_key,
                order.fingerprint,
                self._idempotency_ttl_ms,
                admission.submits_per_minute,
                admission.most_live_per_owner,
                admission.most_live,
                latest_run_at_ms,
                admission.longest_delay_ms,
                what,
                hook_of(order.callback_url),
                *rate,
            ),
        )
        return reply

    def _acceptance(
        self, order: Order, rate: KeyRate, replayed: bool, batch_id: bytes, *answer: int
    ) -> BatchAcceptance:
        created_at, total, left, next_ms = answer
        known_until = created_at + self._idempotency_ttl_ms if order.idempotency_key else None
        batch = Batch.accepted(batch_id.decode(), order.owner, total, created_at)
        return BatchAcceptance(batch, replayed, self._admission.submits(left, next_ms, rate=rate), known_until)

    async def _look(self, batch_id: str, who: str, most: int, known: int | None, owner: str) -> BatchLook | None:
        reply = await self._scripts.run("survey", (batch_id, who, "" if known is None else known, most, owner))
        if not reply:
            return None
        allowed, left, next_ms, poll_ms, seq, ended, *flat = reply
        allowance = Allowance(POLL, most, max(1, most * poll_ms // 1000), left, next_ms)
        batch = batch_of(batch_id, flat[0], poll_ms) if flat else None
        return BatchLook(bool(allowed), allowance, poll_ms, seq, bool(ended), batch)

    async def _command(self, batch_id: str, owner: str, what: str, by: str) -> None:
        admission = self._admission
        arguments = (batch_id, owner, what, admission.most_live_per_owner, admission.most_live, by or owner)
        match await self._scripts.run("command", arguments):
            case b"ok":
                pass
            case b"unknown":
                raise UnknownBatch(batch_id=batch_id)
            case b"illegal":
                raise NotRetryable("No job of the batch has failed.", batch_id=batch_id)
            case b"expired":
                raise ResultExpired("The params of its jobs are no longer kept.", batch_id=batch_id)
            case full:
                raise not_admitted(full)


def _entry_of(order: Order) -> Any:
    """What `chore.lua` makes a job from."""

    def entry(s: Submission) -> str:
        fields = [*record_fields(s), "batch", order.batch_id]
        spans = (s.delay_ms, s.run_at_ms, s.start_within_ms)
        return json_text([s.job_id, fields, s.params, *spans, hook_of(s.callback_url)])

    return entry


def _pieces(entries: Iterable[str]) -> Iterator[list[str]]:
    piece: list[str] = []
    length = 0
    for entry in entries:
        piece.append(entry)
        length += len(entry)
        if len(piece) == PIECE_JOBS or length >= PIECE_CHARACTERS:
            yield piece
            piece, length = [], 0
    if piece:
        yield piece


def batch_of(batch_id: str, flat: Sequence[bytes], poll_ms: int) -> Batch:
    """The batch whose record this is, names and values in turn."""
    record = {flat[i].decode(): flat[i + 1].decode() for i in range(0, len(flat), 2)}

    def moment(name: str) -> int | None:
        return int(record[name]) if name in record else None

    total = int(record["total"])
    return Batch(
        batch_id=batch_id,
        owner=record["owner"],
        total=total,
        counts={status: int(record[status]) for status in Status},
        percent=round(int(record["percent"]) / total / 100, 2),
        seq=int(record["seq"]),
        created_at=int(record["created"]),
        updated_at=int(record["updated"]),
        finished_at=moment("finished"),
        expires_at=moment("expires"),
        cancel_requested_at=moment("cancel"),
        poll_ms=poll_ms,
    )


def _conflict() -> IdempotencyConflict:
    return IdempotencyConflict("Send a new key with a new request.", header="Idempotency-Key")
