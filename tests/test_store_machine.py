"""The store's scripts, on a real Valkey, against the model of what they promise: any moves, in any order.

A failure prints the shortest list of moves that shows it. In CI the games are the same each time. For many more, and
others with each seed:

    STORE_MACHINE_EXAMPLES=5000 STORE_MACHINE_SEED=1 pytest tests/test_store_machine.py
"""

import os
from asyncio import Runner
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from functools import partial
from itertools import cycle, product
from typing import Any, Final, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from pydantic_core import from_json

from app.callbacks import Answer, Awaited, Outcome
from app.errors import (
    CallbackConflict,
    CallbackOver,
    IdempotencyConflict,
    IllegalChange,
    NotRetryable,
    NotSuspendable,
    ResultExpired,
    StaleRun,
    UnknownCallback,
    UnknownJob,
)
from app.events import json_text
from app.jobs import TERMINAL, Job, Status, Submission
from app.store import Change
from app.store.jobs import worker_channel
from app.store.nudges import nudge_key
from tests.ground import INTERRUPTED, failed, submission
from tests.job_model import Entry
from tests.still_store import START, Forgotten, StillStore
from tests.store_changes import FOUND, LOOKED_FOR, REFUSED, anything, parts, turns
from tests.store_model import DAY_MS, Model
from tests.store_traces import Wire, events, expected_events, expected_keys, keys

T = TypeVar("T")
Held = tuple[str, str]
"""A job's id and a run token of it."""
Machines = Callable[..., Callable[[], "StoreMachine"]]

EXAMPLES: Final = int(os.environ.get("STORE_MACHINE_EXAMPLES", "80"))
SEED: Final = os.environ.get("STORE_MACHINE_SEED")
TOLD: Final = (*map(str, Status), "waiting", "cancel_requested", "suspended", "resumed", "artifact", "log")
"""Of which events a job that has a `callback_url` tells."""
LIMITS: Final = {"max_log_events": 8, "idempotency_ttl_ms": 5 * DAY_MS}
MOST_LIVE: Final = 5
QUEUES: Final = ("default", "other")
KINDS: Final = {"k": 0}
"""What a worker knows, each with the most runs at once in all; 0: any number."""

AIDS: Final = (
    "clock",
    "tidings:kinds",
    "tidings:nudge:",
    "tidings:owner",
    "tidings:pace:",
    "tidings:submits:",
    "tidings:throughput:",
    "tidings:reached",
    "tidings:watch",
    "tidings:webhooks:",
)
"""Keys that only help to find or to wake; an index may still list what is gone."""
REFUSALS: Final = (
    CallbackConflict,
    CallbackOver,
    IdempotencyConflict,
    IllegalChange,
    NotRetryable,
    NotSuspendable,
    ResultExpired,
    StaleRun,
    UnknownCallback,
    UnknownJob,
)


spans: Final = st.sampled_from((1_000, 60_000, 600_000))


def one_of(choose: Callable[["StoreMachine"], Sequence[T]]) -> st.SearchStrategy[T]:
    """One of what the machine has at that time."""
    return st.runner().flatmap(lambda machine: st.sampled_from(choose(machine)))


class StoreMachine(RuleBasedStateMachine):
    """Makes each move on the scripts and on the model."""

    def __init__(self, store: StillStore, wire: Wire) -> None:
        super().__init__()
        store.clear()
        wire.heard()
        store.redis.hset("tidings:kinds", "elsewhere", "{}")
        self.store, self.wire = store, wire
        self.model = Model(START, announced=["elsewhere"], **LIMITS)
        self.ids: list[str] = []
        self.calls: Counter[str] = Counter()
        self.parts: Counter[Held] = Counter()

    def same(self, answer: Coroutine[Any, Any, Any], expected: Callable[[], Any]) -> None:
        """Both answer alike, or refuse for the same reason."""
        assert outcome(lambda: self.store.ask(answer)) == outcome(expected)

    # Moves

    @precondition(lambda self: len(self.model.live) < MOST_LIVE)
    @rule(
        kind=st.sampled_from(("k", "k", "k", "k", "elsewhere", "nowhere")),
        queue=st.sampled_from(QUEUES),
        owners=st.sampled_from((("a",), ("a:b", "a"))),
        max_attempts=st.integers(1, 2),
        delay_ms=st.sampled_from((0, 0, 0, 0, 1_000)),
        start_within_ms=st.sampled_from((0, 0, 0, 1, 60_000)),
        priority=st.sampled_from((0, 0, 9)),
        result_ttl_ms=st.sampled_from((1_000, 6 * DAY_MS)),
        idempotency_key=st.sampled_from(("", "", "", "c", "b:c")),
        count=st.sampled_from((1, 1, 3)),
        fingerprint=st.sampled_from(("f", "f", "g")),
        callback_url=st.sampled_from(("", "", "http://a/")),
        then=st.booleans(),
    )
    def submit(self, count: int, then: bool, owners: Sequence[str], **fields: Any) -> None:
        for _, owner in zip(range(count), cycle(owners), strict=False):
            of = submission(
                job_id=f"job{len(self.ids)}", owner=owner, tags=("x", "y z"), callback_events=TOLD, **fields
            )
            self.same(self._answer(of), partial(self.model.submit, of))
            self.ids += [of.job_id] if of.job_id in self.model.jobs else []
        if then:
            self.claim("w1")

    async def _answer(self, of: Submission) -> tuple[Job | None, str]:
        """The job, unless it is an earlier one's; its id."""
        acceptance = await self.store.jobs.submit(of)
        return None if acceptance.replayed else acceptance.job, acceptance.job.job_id

    @precondition(lambda self: self.model.answers or any(map(self.model.has_work, QUEUES)))
    @rule(
        worker=st.sampled_from(("w1", "w2")),
        queues=st.sampled_from((QUEUES, QUEUES[::-1], QUEUES[:1])),
        slots=st.integers(1, 3),
        lease_ms=spans,
        kinds=st.sampled_from(({"k": 0}, {"k": 0, "elsewhere": 0}, {"k": 1})),
        again=st.sampled_from((False, False, True)),
    )
    def claim(
        self,
        worker: str,
        queues: Sequence[str] = QUEUES,
        slots: int = 2,
        lease_ms: int = 60_000,
        kinds: Mapping[str, int] = KINDS,
        again: bool = False,
    ) -> None:
        """`again` when no answer came, or so it seemed."""
        self.calls[worker] += 0 if again else 1
        number = self.calls[worker]
        asked = self.store.jobs.claim(worker, queues, slots, lease_ms=lease_ms, kinds=kinds, number=number)
        claims = self.store.ask(asked)
        tokens = {run.job_id: run.token for run in claims.runs}
        runs, next_due_ms = self.model.claim(worker, queues, slots, lease_ms, kinds, number, tokens)
        assert [(r.job_id, r.token, r.kind, r.owner, r.attempt, r.max_attempts) for r in claims.runs] == [
            (job.of.job_id, job.token, job.of.kind, job.of.owner, job.attempt, job.of.max_attempts) for job in runs
        ]
        assert [(run.looks, run.wait, run.answer) for run in claims.runs] == [
            (job.waiting is not None, job.answers, job.latest_answer) for job in runs
        ]
        assert claims.next_due_ms == next_due_ms

    @precondition(lambda self: self.model.held)
    @rule(run=one_of(lambda self: self.model.held), part=parts, times=st.sampled_from((1, 1, 2)), then=st.booleans())
    def tell(self, run: Held, part: list[Change], times: int, then: bool) -> None:
        """By the worker that has the run, part by part, each once more where no answer came."""
        self.parts[run] += 1
        for _ in range(times):
            self._apply(*run, part, self.parts[run])
        if then:
            self.claim("w2")

    @precondition(lambda self: self.ids)
    @rule(
        job_id=one_of(lambda self: [*self.model.waiting, *self.model.waiting, *self.ids[-2:], "none"]),
        off=st.sampled_from((0, 0, 0, -1, 1)),
        what=st.sampled_from(("completed", "completed", "failed", "progress", "heartbeat")),
        body=st.sampled_from((b"1", b"1", b'{"a":\n2}')),
        then=st.booleans(),
    )
    def call_back(self, job_id: str, off: int, what: str, body: bytes, then: bool) -> None:
        job = self.model.jobs.get(job_id)
        awaited = Awaited(job_id, max(0, (job.answers if job else 0) + off))
        answer = Answer(what == "failed", body, '{"x-s":"s"}') if what in {"completed", "failed"} else None
        said = self._said(awaited, what, answer)
        self.same(said, lambda: self.model.call_back(awaited, what, answer))
        if then:
            self.claim("w1")

    @precondition(lambda self: self.model.held)
    @rule(
        run=one_of(lambda self: self.model.held),
        then=st.sampled_from(("nothing", "cancel", "call", "no more")),
        end=st.sampled_from((FOUND, LOOKED_FOR, INTERRUPTED)),
    )
    def wait_till_it_is_looked_for(self, run: Held, then: str, end: Change) -> None:
        """What the run waits for, by a worker that has time; and what may come in between."""
        self._apply(*run, [LOOKED_FOR])
        self.time_passes(1_000, watched=True, then=False)
        self.claim("w2", slots=3)
        if then == "cancel":
            self.cancel(run[0], "a", None)
        if then in {"cancel", "call"}:
            self.call_back(run[0], 0, "completed", b"1", then=False)
        if then != "no more":
            self._tell_of(run[0], end)

    @precondition(lambda self: self.model.held)
    @rule(run=one_of(lambda self: self.model.held), end=st.sampled_from((REFUSED, REFUSED, LOOKED_FOR, failed())))
    def go_on_with_a_callback(self, run: Held, end: Change) -> None:
        self._apply(*run, [LOOKED_FOR])
        self.call_back(run[0], 0, "completed", b"1", then=True)
        self._tell_of(run[0], end)

    def _tell_of(self, job_id: str, end: Change) -> None:
        """By the worker that has the job now, if one has."""
        for run in [run for run in self.model.held if run[0] == job_id]:
            self.tell(run, [end], 1, then=False)

    def _said(self, awaited: Awaited, what: str, answer: Answer | None) -> Coroutine[Any, Any, Outcome]:
        callbacks = self.store.callbacks
        if answer:
            return callbacks.answer(awaited, answer)
        return callbacks.heartbeat(awaited) if what == "heartbeat" else callbacks.progress(awaited, 50.0, None)

    @precondition(lambda self: self.model.waiting)
    @rule(job_id=one_of(lambda self: self.model.waiting), turn=turns)
    def meddle_with_a_wait(self, job_id: str, turn: Change) -> None:
        """By who holds no run."""
        self._apply(job_id, "", [turn])

    @precondition(lambda self: self.model.live)
    @rule(
        run=one_of(lambda self: [*self.model.issued, *product(self.model.live, ("", "forged")), (self.ids[0], "")]),
        changes=anything,
    )
    def meddle(self, run: Held, changes: list[Change]) -> None:
        """By a worker that may have lost the run since, or by who never had it."""
        self._apply(*run, changes)

    def _apply(self, job_id: str, token: str, changes: list[Change], part: int = 0) -> None:
        self.same(
            self.store.jobs.apply(job_id, changes, token=token, part=part),
            lambda: self.model.apply(job_id, changes, token, part),
        )

    @precondition(lambda self: self.model.live)
    @rule(
        job_id=one_of(lambda self: [*dict(self.model.held), *self.model.waiting, *self.ids[-2:]]),
        by=st.sampled_from(("a", 'the "other"')),
        why=st.sampled_from((None, "r")),
    )
    def cancel(self, job_id: str, by: str, why: str | None) -> None:
        asked = Change("cancel_requested", json_text({"by": by} | ({"reason": why} if why else {})))
        self.same(self.store.jobs.cancel(job_id, by, why), lambda: self.model.apply(job_id, [asked])[1])

    @precondition(lambda self: self.ids)
    @rule(job_id=one_of(lambda self: self.ids[-4:]))
    def retry(self, job_id: str) -> None:
        self.same(self.store.jobs.retry(job_id, "a"), lambda: self.model.retry(job_id, "a"))

    @precondition(lambda self: self.model.live)
    @rule(job_id=one_of(lambda self: self.model.live), for_ms=spans, then=st.booleans())
    def suspend(self, job_id: str, for_ms: int, then: bool) -> None:
        self.same(self.store.jobs.suspend(job_id, "a", for_ms), lambda: self.model.suspend(job_id, "a", for_ms))
        if then:
            self.same(self.store.jobs.resume(job_id, "b"), lambda: self.model.resume(job_id, "b"))

    @precondition(lambda self: self.ids)
    @rule(job_id=one_of(lambda self: self.ids[-4:]))
    def purge(self, job_id: str) -> None:
        self.same(self.store.jobs.purge(job_id), lambda: self.model.purge(job_id))

    @precondition(lambda self: self.model.issued)
    @rule(runs=st.lists(one_of(lambda self: [*self.model.held, *self.model.issued]), max_size=3), lease_ms=spans)
    def renew(self, runs: list[Held], lease_ms: int) -> None:
        self.same(self.store.jobs.renew(dict(runs), lease_ms=lease_ms), lambda: self.model.renew(dict(runs), lease_ms))

    @rule(
        ms=one_of(lambda self: [1, 500, *self.model.turns_ms[:8]]),
        watched=st.sampled_from((True, True, False)),
        then=st.booleans(),
    )
    def time_passes(self, ms: int, watched: bool, then: bool) -> None:
        """`watched` by others, who found nothing until the very end."""
        self.model.move_to(self.model.now + ms)
        self.store.move_to(self.model.now)
        if watched:
            self.model.seen = self.model.now
            self.store.redis.hset("tidings:watch", "seen", str(self.model.now))
        if then:
            self.same(self.store.jobs.settle_overdue(), self.model.settle_overdue)
            self.store.ask(self.store.listing.prune())

    # What holds after each

    @invariant()
    def both_agree(self) -> None:
        for job_id in self.model.jobs:
            self._readers_see_it_as_it_is(job_id)
        self._every_event_was_published_once_and_in_order()
        self._exactly_what_is_documented_is_kept()
        self._workers_were_woken()
        self._what_is_to_be_told_is_queued()

    def _readers_see_it_as_it_is(self, job_id: str) -> None:
        log = self.model.jobs[job_id].retained
        after = len(log) % 3  # sometimes all of it, sometimes from further on
        view = self.store.ask(self.store.jobs.read(job_id, after=after))
        assert view
        assert view.job == self.model.read(job_id)
        assert view.job.as_of == self.model.now
        told = [Entry(event.seq, event.type, event.at, event.parsed()) for event in view.events]
        assert told == [entry for entry in log if entry.seq > after]
        assert [event.ends for event in view.events] == [entry.type in TERMINAL for entry in log if entry.seq > after]

    def _every_event_was_published_once_and_in_order(self) -> None:
        heard = self.wire.heard()
        assert list(events(heard)) == list(expected_events(self.model.published))
        told = [(channel, text) for channel, text in heard if "\n" not in text]
        assert told == [(worker_channel(worker), job_id) for worker, job_id in self.model.told_workers]
        self.model.published.clear()
        self.model.told_workers.clear()

    def _workers_were_woken(self) -> None:
        nudged = {queue for queue in QUEUES if self.store.redis.delete(nudge_key(queue))}
        assert nudged >= self.model.woken
        self.model.woken.clear()

    def _what_is_to_be_told_is_queued(self) -> None:
        for job_id, job in self.model.jobs.items():
            kept: Any = self.store.redis.hgetall(f"tidings:{{{job_id}}}:deliveries")
            queued = [from_json(kept[n]) for n in sorted(filter(bytes.isdigit, kept), key=int)]
            told = [entry for entry in job.log if job.of.callback_url and entry.type in TOLD]
            assert [(one["event"], one["seq"], one["at"]) for one in queued] == [(e.type, e.seq, e.at) for e in told]

    def _exactly_what_is_documented_is_kept(self) -> None:
        found = keys(self.store.redis)
        aids = {name: found.pop(name) for name in list(found) if name.startswith(AIDS)}
        assert found == expected_keys(self.model)
        for job_id, job in self.model.jobs.items():
            moved_on = (job.rank, job.later, job.deadline) != (None, None, None)
            assert moved_on != job.ended, "nothing would move it on"
            assert (aids[f"tidings:owner:{job.of.owner}"].members or {})[job_id] == job.log[0].at
            assert job.of.owner in (aids["tidings:owners"].members or {})
        assert all(key.expires for name, key in aids.items() if name.startswith(nudge_key("")))


def outcome(act: Callable[[], Any]) -> Any:
    """What it answers, or how it refuses."""
    try:
        return act()
    except REFUSALS as refusal:
        return type(refusal)


@pytest.fixture
def machines(valkey: str) -> Iterator[Machines]:
    with Runner() as loop, ExitStack() as stack:

        def machine(forgotten: Forgotten | None = None) -> Callable[[], StoreMachine]:
            store = stack.enter_context(closing(StillStore(valkey, loop, options=LIMITS, forgotten=forgotten)))
            wire = stack.enter_context(closing(Wire(store.redis)))
            return partial(StoreMachine, store, wire)

        yield machine


def play(machine: Any, **options: Any) -> None:
    """Raises what went wrong, of the first game that did."""
    calm = settings(deadline=None, suppress_health_check=list(HealthCheck), report_multiple_bugs=False, print_blob=True)
    run_state_machine_as_test(
        machine, settings=settings(calm, max_examples=EXAMPLES, stateful_step_count=40, **options)
    )


@pytest.mark.timeout(600 + EXAMPLES)  # Hypothesis takes at most 300 s for finding the shortest list
def test_the_scripts_do_what_the_design_says(machines: Machines) -> None:
    machine: Any = machines()
    play(seed(int(SEED))(machine) if SEED else machine, derandomize="CI" in os.environ and not SEED)


@pytest.mark.parametrize(
    "forgotten",
    [
        Forgotten("DEL", "arq:job:"),
        Forgotten("HDEL", "tidings:{"),
        Forgotten("PEXPIREAT", "tidings:{"),
        Forgotten("PUBLISH", "tidings:feed:"),
        Forgotten("PUBLISH", "tidings:worker:"),
        Forgotten("RPUSH", "tidings:nudge:"),
        Forgotten("XDEL", "tidings:{"),
        Forgotten("ZADD", "tidings:deadlines"),
        Forgotten("ZREM", "tidings:deadlines"),
        Forgotten("ZADD", "tidings:turns:"),
        Forgotten("ZADD", "tidings:left:"),
        Forgotten("ZREM", "tidings:lane:"),
        Forgotten("ZREM", "tidings:later:"),
        Forgotten("HINCRBY", "tidings:counts"),
        Forgotten("HDEL", "tidings:running"),
        Forgotten("HSET", "tidings:{job0}:answers"),
    ],
    ids=" ".join,
)
def test_a_script_that_forgot_a_command_would_be_found(machines: Machines, forgotten: Forgotten) -> None:
    with pytest.raises(AssertionError):
        play(machines(forgotten), derandomize=True, phases=[Phase.generate])
