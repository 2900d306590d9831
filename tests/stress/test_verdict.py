"""The verdict of the stress run can fail: each thing it holds is broken here once, and it says so."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from pydantic_core import to_json

from app.events import Event, json_text
from app.jobs import Job, Status
from tests.stress.census import Census, Count
from tests.stress.orders import COMPLETED, Order
from tests.stress.outside import Told
from tests.stress.plan import Submit
from tests.stress.submitter import TAG, Asked
from tests.stress.verdict import Collected, Connection, Outcome, Polled, Seen, problems

ID = "a" * 26
OTHER = "b" * 26
STEPS = 3


def order(**fields: Any) -> Order:
    return Order("steady", COMPLETED, {"steps": STEPS}, **fields)


def asked(number: int = 0, *, keyed: bool = True, told: bool = False, **fields: Any) -> Asked:
    submit = Submit(0, number, order(), keyed, 1, (), (), (), False, False, told)
    usual: dict[str, Any] = {"posts": 1, "job_ids": [ID], "first_answers": 1}
    return Asked(submit, **(usual | fields))


def event(seq: int, type_: str, **data: Any) -> Event:
    return Event(ID, seq, type_, 0, json_text(data))


def log_of(*types: str | tuple[str, dict[str, Any]]) -> tuple[Event, ...]:
    """Numbered from 1, with the data each type has at least."""
    made = []
    for seq, entry in enumerate(types, 1):
        type_, data = (entry, {}) if isinstance(entry, str) else entry
        usual: dict[str, dict[str, Any]] = {
            "pending": {"reason": "submitted"},
            "processing": {"attempt": 1},
            "step": {"attempt": 1, "step": seq - 3},
        }
        made.append(event(seq, type_, **(usual.get(type_, {}) | data)))
    return tuple(made)


WHOLE = log_of("pending", "processing", "step", "step", "step", "completed")
WEBHOOK = f"{ID}-{WHOLE[-1].seq}"


def outcome(log: tuple[Event, ...] = WHOLE, **fields: Any) -> Outcome:
    usual: dict[str, Any] = {
        "job_id": ID,
        "kind": "steady",
        "status": Status(log[-1].type) if log[-1].ends else Status.PROCESSING,
        "owner": "default",
        "queue": "default",
        "seq": log[-1].seq,
        "attempt": 1,
        "max_attempts": 3,
        "created_at": 0,
        "updated_at": 0,
        "tags": (f"{TAG}0",),
        "result": STEPS if log[-1].type == "completed" else None,
        "error": {"code": "handler_error"} if log[-1].type == "failed" else None,
    }
    return Outcome(Job(**(usual | fields)), log)


def seen(*seqs: int, **fields: Any) -> Seen:
    types = {e.seq: e.type for e in WHOLE}
    return Seen("sse", ID, [(seq, types.get(seq, "progress")) for seq in seqs], **fields)


def collected(**fields: Any) -> Collected:
    return Collected(**({"asked": [asked()], "outcomes": {ID: outcome()}} | fields))


def count(role: str = "web", **fields: Any) -> Count:
    usual: dict[str, Any] = {"threads": 50, "children": 0, "descriptors": {"tcp": 1, "unix": 9}, "tasks": {"run": 2}}
    return Count(role, **(usual | fields))


def census(**fields: Any) -> Census:
    usual: dict[str, Any] = {"processes": {"web 0": count()}, "listeners": 1, "channels": (), "strays": ()}
    return Census(**(usual | fields))


def test_a_run_in_which_all_was_held_has_no_problem() -> None:
    good = collected(
        seen=[seen(1, 2, 3, 4, 5, 6)],
        feeds=[Connection([(ID, e.seq, e.type, False) for e in WHOLE], last=True)],
        polled=[Polled(ID, [1, 4, 6], ["pending", "processing", "completed"])],
        before=census(),
        after=census(),
        asked=[asked(told=True)],
        webhooks={WEBHOOK: hook()},
    )
    assert problems(good) == []


def broken() -> Iterator[Any]:
    def case(name: str, words: str, **fields: Any) -> Any:
        return pytest.param(collected(**fields), words, id=name)

    # Submissions
    yield case("lost", "is lost", outcomes={})
    yield case("two for one key", "one key, 2 jobs", asked=[asked(job_ids=[ID, OTHER])])
    yield case("told twice that it is new", "answered as new 2 times", asked=[asked(job_ids=[ID, ID], first_answers=2)])
    twice = {ID: outcome(), OTHER: outcome(job_id=OTHER)}
    yield case("made twice", "2 jobs of 1 requests", outcomes=twice)
    yield case("made twice without a key", "2 jobs of 1 requests", asked=[asked(keyed=False)], outcomes=twice)
    yield case("refused", "422", asked=[asked(refusals=["POST: 422"])])
    # Ends
    open_log = log_of("pending", "processing", "step", "step", "step")
    yield case("no end", "has not ended", outcomes={ID: outcome(open_log)})
    cancelled = log_of("pending", "processing", "cancelled")
    yield case("cancelled by nobody", "ended cancelled", outcomes={ID: outcome(cancelled)})
    failed = log_of("pending", "processing", "failed")
    yield case("failed for no reason", "ended failed:handler_error", outcomes={ID: outcome(failed)})
    lost = outcome(failed, error={"code": "worker_lost"})
    yield case("given up too soon", "ended failed:worker_lost", outcomes={ID: lost})
    yield case("nobody's", "never submitted", outcomes={ID: outcome(tags=(f"{TAG}7",))}, asked=[])
    # What it told, and its result
    short = log_of("pending", "processing", "step", "step", "completed")
    yield case("a step is missing", "told 2 numbers", outcomes={ID: outcome(short)})
    again = {"attempt": 1, "step": 1}
    repeated = log_of("pending", "processing", "step", "step", ("step", again), "step", "completed")
    yield case("a step is told twice", "told 4 numbers", outcomes={ID: outcome(repeated)})
    yield case("another result", "resulted in 9", outcomes={ID: outcome(result=9)})
    yield case("another file", "what came is", artifacts={ID: ["hash"]})
    # The log
    yield case("a hole in the log", "not whole", outcomes={ID: outcome((*WHOLE[:2], *WHOLE[3:]))})
    yield case("two ends", "not whole", outcomes={ID: outcome(log_of("pending", "processing", "failed", "completed"))})
    attempts = log_of("pending", "processing", ("pending", {"reason": "worker_lost"}), "processing", "completed")
    yield case("the same attempt twice", "attempt 1 at 4 after attempt 1", outcomes={ID: outcome(attempts)})
    double = log_of("pending", "processing", ("processing", {"attempt": 2}), "completed")
    yield case("two runs at once", "a second run began", outcomes={ID: outcome(double)})
    strange = log_of("pending", "processing", ("step", {"attempt": 7, "step": 0}), "completed")
    yield case("a lost run writes", "attempt 7 wrote step", outcomes={ID: outcome(strange)})
    idle = log_of("pending", ("step", {"attempt": 0, "step": 0}), "processing", "completed")
    yield case("written by nobody", "while nothing ran", outcomes={ID: outcome(idle)})
    late = log_of(
        "pending", "processing", "cancel_requested", ("pending", {"reason": "retry"}), "processing", "completed"
    )
    yield case("runs again after a cancel", "although a cancel", outcomes={ID: outcome(late)})
    yield case("the record is behind", "the record says", outcomes={ID: outcome(seq=4)})
    # Watchers
    yield case("a gap", "never told [(3, 'step')]", seen=[seen(1, 2, 4, 5, 6)])
    yield case("a duplicate", "twice or out of order", seen=[seen(1, 2, 3, 3, 4, 5, 6)])
    yield case("out of order", "twice or out of order", seen=[seen(1, 3, 2, 4, 5, 6)])
    yield case("no end was told", "never told [(6, 'completed')]", seen=[seen(1, 2, 3, 4, 5)])
    wrong = Seen("sse", ID, [*((e.seq, e.type) for e in WHOLE[:-1]), (6, "failed")])
    yield case("another event", "told failed at 6", seen=[wrong])
    yield case(
        "invented", "told log at 7", seen=[replace(wrong, events=[*((e.seq, e.type) for e in WHOLE), (7, "log")])]
    )
    yield case("watched what is lost", "which is lost", seen=[replace(seen(), job_id=OTHER)])
    # Feeds
    yield case("a gap in the feed", "was not told [3]", feeds=[feed(1, 2, 4)])
    yield case("a duplicate in the feed", "told 2 after 2", feeds=[feed(1, 2, 2)])
    yield case("no end in the feed", "not told the end", feeds=[feed(1, 2, last=True)])
    # Pollers
    yield case("a poll goes back", "was answered", polled=[Polled(ID, [4, 2, 6], ["processing"] * 2 + ["completed"])])
    yield case("a poll without an end", "last answered", polled=[Polled(ID, [4], ["processing"])])
    # Webhooks
    told = {"asked": [asked(told=True)]}
    yield case("a webhook is missing", "was never taken", **told)
    yield case("no attempt was taken", "was never taken", **told, webhooks={WEBHOOK: hook(taken=False)})
    yield case("a webhook nobody asked for", "no end that was to be told", webhooks={WEBHOOK: hook()})
    other = replace(hook(), bodies=[*hook().bodies, b"{}"])
    yield case("attempts differ", "differs between 2 attempts", **told, webhooks={WEBHOOK: other})
    yield case("unsigned", "1 of them unsigned", **told, webhooks={WEBHOOK: hook(forged=1)})
    yield case("another end", "says ('job.failed'", **told, webhooks={WEBHOOK: hook(status="failed")})
    # What is left
    yield from (pytest.param(grown, words, id=words) for grown, words in growths())
    yield case("a key is left", "a key is left: tidings:x", keys_left=["tidings:x"])
    yield case("a file is left", "a file is left: y", files_left=["y"])
    yield case("misconduct", "web 0 ended", misconduct=["web 0 ended by itself"])
    yield case("a watcher was refused", "status 404", refusals=["status 404"])


def hook(status: str = "completed", **fields: Any) -> Told:
    """What came of the one webhook of `WHOLE`."""
    job = {"job_id": ID, "seq": WHOLE[-1].seq, "status": status}
    body = to_json({"type": f"job.{status}", "data": job})
    usual: dict[str, Any] = {"bodies": [body], "taken": True}
    return Told(**(usual | fields))


def feed(*seqs: int, last: bool = False) -> Connection:
    return Connection([(ID, seq, "step", False) for seq in seqs], last=last)


def growths() -> Iterator[tuple[Collected, str]]:
    def after(**fields: Any) -> Collected:
        return collected(before=census(), after=census(**fields))

    def of_web(**fields: Any) -> Collected:
        return after(processes={"web 0": count(**fields)})

    yield of_web(threads=51), "51 threads, 50 before"
    yield of_web(children=1), "1 child processes"
    yield of_web(descriptors={"tcp": 2}), "2 descriptors of tcp, 1 before"
    yield of_web(descriptors={"file": 1}), "1 descriptors of file, 0 before"
    yield of_web(descriptors={"unix": 70}), "70 descriptors of unix"
    yield of_web(tasks={"run": 3}), "3 tasks of run, 2 before"
    yield of_web(tasks={"Writer._drain": 1}), "1 tasks of Writer._drain, 0 before"
    yield after(listeners=2), "2 connections listen"
    yield after(channels=("tidings:{x}",)), "channels subscribed to"
    yield after(strays=("42: sleep",)), "a process is left: 42"


@pytest.mark.parametrize(("what", "words"), list(broken()))
def test_what_is_not_held_is_said(what: Collected, words: str) -> None:
    assert any(words in problem for problem in problems(what)), problems(what)


def test_only_progress_may_be_passed_over_where_later_progress_has_replaced_it() -> None:
    log = (*WHOLE[:3], event(5, "progress"), event(6, "step", attempt=1, step=1), event(7, "step", attempt=1, step=2))
    whole = outcome((*log, event(8, "completed")))
    watched = [(1, "pending"), (2, "processing"), (3, "step"), (4, "progress"), (5, "progress"), (6, "step")]
    good = Seen("sse", ID, [*watched, (7, "step"), (8, "completed")])
    assert problems(collected(outcomes={ID: whole}, seen=[good])) == []
    assert problems(collected(outcomes={ID: whole}, seen=[replace(good, events=[*good.events[:4], *good.events[5:]])]))


@pytest.mark.parametrize("reason", ["interrupted", "callback"])
def test_a_run_that_was_interrupted_or_waited_keeps_its_attempt(reason: str) -> None:
    log = log_of(
        "pending", "processing", "step", ("pending", {"reason": reason}), "processing",
        *(("step", {"attempt": 1, "step": n}) for n in range(STEPS)), "completed",
    )  # fmt: skip
    assert problems(collected(outcomes={ID: outcome(log)})) == []


def test_a_cancel_that_was_asked_for_and_a_loss_on_the_last_attempt_are_legal_ends() -> None:
    cancelled = outcome(log_of("pending", "processing", "cancel_requested", "cancelled"))
    assert problems(collected(asked=[asked(cancels=1)], outcomes={ID: cancelled})) == []
    lost = outcome(log_of("pending", "processing", "failed"), error={"code": "worker_lost"}, max_attempts=1)
    assert problems(collected(outcomes={ID: lost})) == []


def test_a_feed_may_start_afresh_after_the_bus_was_away() -> None:
    events = [(ID, 1, "pending", False), (ID, 5, "snapshot", True), (ID, 6, "completed", False)]
    assert problems(collected(feeds=[Connection(events, last=True)])) == []
