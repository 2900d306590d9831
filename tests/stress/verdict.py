"""Whether a stress run held what is promised. Pure: judges what was collected, and says in words what was not held."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

from pydantic_core import from_json

from app.events import CONFLATED, Event
from app.jobs import TERMINAL, Job
from tests.faults.watcher import assert_contiguous
from tests.stress.census import Census
from tests.stress.orders import Order
from tests.stress.outside import Told
from tests.stress.plan import Submit
from tests.stress.submitter import TAG, Asked

POOL_SOCKETS: Final = 64 + 1 + 4
"""Unix sockets of one process: its pool of Redis connections, the one that listens, and a few to itself."""


POOL_THREADS: Final = 1 + min(32, (os.cpu_count() or 1) + 4)
"""The main one, and those of asyncio's pool, which begin as they are needed."""

ATTEMPT_GOES_ON: Final = frozenset({"interrupted", "callback"})
"""Why a job is pending again with the attempt it had."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A job as the store has it in the end, and its log."""

    job: Job
    log: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """What one watcher was told of one job: seqs and types, over all its connections. `whole`: to the end."""

    by: str
    job_id: str
    events: Sequence[tuple[int, str]]
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Connection:
    """What the feed told over one connection: job id, seq, type, reset. `last`: it was open until the end."""

    events: Sequence[tuple[str, int, str, bool]]
    last: bool = False


@dataclass(frozen=True, slots=True)
class Polled:
    """What a client that asked was answered, in order."""

    job_id: str
    seqs: Sequence[int]
    statuses: Sequence[str]


@dataclass(slots=True)
class Collected:
    """All there is to judge."""

    asked: Sequence[Asked]
    outcomes: Mapping[str, Outcome]
    seen: Sequence[Seen] = ()
    feeds: Sequence[Connection] = ()
    polled: Sequence[Polled] = ()
    refusals: Sequence[str] = ()
    misconduct: Sequence[str] = ()
    before: Census | None = None
    after: Census | None = None
    keys_left: Sequence[str] = ()
    files_left: Sequence[str] = ()
    artifacts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    webhooks: Mapping[str, Told] = field(default_factory=dict)


def problems(collected: Collected) -> list[str]:
    """What was not held; none is as it should be."""
    return [
        *collected.misconduct,
        *collected.refusals,
        *_of_submissions(collected.asked, collected.outcomes),
        *_of_ends(collected),
        *(line for outcome in collected.outcomes.values() for line in of_log(outcome)),
        *(line for seen in collected.seen for line in of_watcher(seen, collected.outcomes)),
        *(line for n, feed in enumerate(collected.feeds) for line in of_feed(n, feed, collected.outcomes)),
        *(line for polled in collected.polled for line in of_poller(polled, collected.outcomes)),
        *of_webhooks(collected),
        *of_census(collected.before, collected.after),
        *(f"a key is left: {key}" for key in collected.keys_left),
        *(f"a file is left: {path}" for path in collected.files_left),
    ]


# Submissions


def _of_submissions(asked: Iterable[Asked], outcomes: Mapping[str, Outcome]) -> Iterator[str]:
    made = Counter(number_of(outcome.job) for outcome in outcomes.values())
    for each in asked:
        number = each.submit.number
        yield from (f"submission {number}: {refusal}" for refusal in each.refusals)
        if len(set(each.job_ids)) > 1:
            yield f"submission {number}: one key, {len(set(each.job_ids))} jobs: {sorted(set(each.job_ids))}"
        if each.first_answers > 1:
            yield f"submission {number}: answered as new {each.first_answers} times"
        yield from (f"submission {number}: job {i} is lost" for i in set(each.job_ids) if i not in outcomes)
        if made[number] > (1 if each.submit.keyed else each.posts):
            yield f"submission {number}: {made[number]} jobs of {each.posts} requests"


def number_of(job: Job) -> int:
    """Of the submission it was made for."""
    return next((int(tag.removeprefix(TAG)) for tag in job.tags if tag.startswith(TAG)), -1)


# Ends


def _of_ends(collected: Collected) -> Iterator[str]:
    by_number = {each.submit.number: each for each in collected.asked}
    for outcome in collected.outcomes.values():
        job, asked = outcome.job, by_number.get(number_of(outcome.job))
        if not job.ended:
            yield f"{told(job)} has not ended"
        elif asked is None:
            yield f"{told(job)} was never submitted"
        elif (end := end_of(job)) not in legal_ends(asked.submit.order, job, cancelled=asked.cancels > 0):
            yield f"{told(job)} of submission {asked.submit.number} ended {end}: {job.error}"
        elif end == "completed":
            yield from _of_content(asked.submit.order, outcome)
            yield from _of_result(asked.submit, outcome.job, collected.artifacts.get(job.job_id))


def end_of(job: Job) -> str:
    """Its status, and the code of a failure."""
    return f"failed:{job.error['code']}" if job.status == "failed" and job.error else str(job.status)


def legal_ends(order: Order, job: Job, *, cancelled: bool) -> set[str]:
    """How a job of that order may end."""
    ends = set(order.ends)
    if cancelled:
        ends.add("cancelled")
    if job.attempt >= job.max_attempts:
        ends.add("failed:worker_lost")
    return ends


def _of_content(order: Order, outcome: Outcome) -> Iterator[str]:
    """What the run that completed it told: all of it, once and in order."""
    if order.counted is None:
        return
    type_, count = order.counted
    began = max(event.seq for event in outcome.log if event.type == "processing")
    numbers = [_number(event) for event in outcome.log if event.type == type_ and event.seq > began]
    if numbers != list(range(count)):
        yield f"{told(outcome.job)} told {_brief(numbers)}, not 0 to {count - 1}"


def _of_result(submit: Submit, job: Job, hashes: Sequence[str] | None) -> Iterator[str]:
    """`hashes` are those of the files that came when its artifacts were asked for."""
    expected = submit.order.result(submit.number)
    if expected is not None and job.result != expected:
        yield f"{told(job)} resulted in {job.result}, not {expected}"
    if hashes is not None and job.result != hashes:
        yield f"{told(job)} saved {job.result}, what came is {hashes}"


def _number(event: Event) -> int:
    data = event.parsed()
    return int(data["step"] if event.type == "step" else data["line"].split(" ", 2)[1])


# Logs


def of_log(outcome: Outcome) -> Iterator[str]:
    """Contiguous, one end, one run at a time, and nothing begins after a cancel was asked for."""
    try:
        assert_contiguous(outcome.log)
    except AssertionError as error:
        yield f"{told(outcome.job)}: the log is not whole: {error}"
        return
    yield from (f"{told(outcome.job)}: {line}" for line in _of_runs(outcome.log))
    if outcome.log[-1].seq != outcome.job.seq or outcome.log[-1].type != outcome.job.status:
        yield f"{told(outcome.job)}: the record says {outcome.job.status} at {outcome.job.seq}"


def _of_runs(log: Sequence[Event]) -> Iterator[str]:
    attempt, running, interrupted, cancelled = 0, False, False, False
    for event in log:
        data = event.parsed()
        if event.type in ("processing", "pending", "waiting") and cancelled:
            yield f"{event.type} at {event.seq} although a cancel was asked for"
        match event.type:
            case "processing":
                if running:
                    yield f"a second run began at {event.seq}"
                if data["attempt"] != attempt + 1 - interrupted:
                    yield f"attempt {data['attempt']} at {event.seq} after attempt {attempt}"
                attempt, running, interrupted = data["attempt"], True, False
            case "pending":
                running, interrupted = False, data["reason"] in ATTEMPT_GOES_ON
            case "cancel_requested":
                cancelled = True
            case _ if event.type not in TERMINAL and not running:
                yield f"{event.type} at {event.seq} while nothing ran"
        told_by = _attempt_of(event.type, data)
        if told_by is not None and told_by != attempt:
            yield f"attempt {told_by} wrote {event.type} at {event.seq} in attempt {attempt}"


def _attempt_of(type_: str, data: Mapping[str, Any]) -> int | None:
    if type_ == "step":
        attempt: int = data["attempt"]
        return attempt
    if type_ == "log" and data["line"][:1].isdigit():
        return int(data["line"].split(" ", 1)[0])
    return None


# Watchers


def of_watcher(seen: Seen, outcomes: Mapping[str, Outcome]) -> Iterator[str]:
    """Every retained event once and in order, and of others only progress that later progress has replaced."""
    outcome = outcomes.get(seen.job_id)
    if outcome is None:
        yield f"{seen.by} watched {seen.job_id}, which is lost"
        return
    who = f"{seen.by} of {told(outcome.job)}"
    seqs = [seq for seq, _ in seen.events]
    if seqs != sorted(set(seqs)):
        yield f"{who} was told twice or out of order: {_disorder(seqs)}"
    retained = {event.seq: event.type for event in outcome.log}
    until = outcome.job.seq if seen.whole else max(seqs, default=0)
    if missing := sorted(seq for seq in retained.keys() - set(seqs) if seq <= until):
        yield f"{who} was never told {[(seq, retained[seq]) for seq in missing[:10]]}, {len(missing)} in all"
    for seq, type_ in seen.events:
        if retained.get(seq, type_ if type_ in CONFLATED else "progress") != type_:
            yield f"{who} was told {type_} at {seq}, the log has {retained.get(seq)}"


def of_feed(n: int, feed: Connection, outcomes: Mapping[str, Outcome]) -> Iterator[str]:
    """Of each job on one connection: in order, no gap but progress, and its end where the connection saw that."""
    latest: dict[str, tuple[int, str]] = {}
    for job_id, seq, type_, reset in feed.events:
        outcome = outcomes.get(job_id)
        if outcome is None:
            yield f"feed {n} told of {job_id}, which is lost"
            continue
        before = latest.get(job_id)
        if before is not None and not (type_ == "snapshot" and reset):
            yield from _of_step(f"feed {n} of {told(outcome.job)}", before[0], seq, outcome.log)
        latest[job_id] = (seq, type_)
    if feed.last:
        unfinished = [job_id for job_id, (seq, _) in latest.items() if seq < outcomes[job_id].job.seq]
        yield from (f"feed {n} was not told the end of {told(outcomes[job_id].job)}" for job_id in unfinished)


def _of_step(who: str, before: int, seq: int, log: Sequence[Event]) -> Iterator[str]:
    if seq <= before:
        yield f"{who} was told {seq} after {before}"
    if left_out := [event.seq for event in log if before < event.seq < seq and event.type not in CONFLATED]:
        yield f"{who} was not told {left_out[:10]}"


def of_poller(polled: Polled, outcomes: Mapping[str, Outcome]) -> Iterator[str]:
    """Seqs that only rise, and the end as it is."""
    outcome = outcomes.get(polled.job_id)
    if outcome is None:
        yield f"a poller asked for {polled.job_id}, which is lost"
        return
    who = f"the poller of {told(outcome.job)}"
    if list(polled.seqs) != sorted(set(polled.seqs)):
        yield f"{who} was answered {_disorder(polled.seqs)}"
    if polled.statuses[-1:] != [outcome.job.status] or polled.seqs[-1:] != [outcome.job.seq]:
        yield f"{who} was last answered {polled.statuses[-1:]} at {polled.seqs[-1:]}"


# Webhooks


def webhooks_of(asked: Iterable[Asked], outcomes: Mapping[str, Outcome]) -> set[str]:
    """The ids of those that tell the ends of jobs whose submission asked for it."""
    numbers = {each.submit.number for each in asked if each.submit.told}
    return {f"{i}-{outcome.job.seq}" for i, outcome in outcomes.items() if number_of(outcome.job) in numbers}


def of_webhooks(collected: Collected) -> Iterator[str]:
    """Each that was to come came and was taken, nothing else came, and every attempt brought the same, signed."""
    wanted = webhooks_of(collected.asked, collected.outcomes)
    for webhook_id in sorted(wanted | collected.webhooks.keys()):
        told = collected.webhooks.get(webhook_id)
        if told is None or not told.taken:
            yield f"webhook {webhook_id} was never taken"
        elif webhook_id not in wanted:
            yield f"webhook {webhook_id} tells of no end that was to be told"
        elif len(set(told.bodies)) > 1 or told.forged:
            yield f"webhook {webhook_id} differs between {len(told.bodies)} attempts, {told.forged} of them unsigned"
        else:
            yield from _of_webhook(webhook_id, told.bodies[0], collected.outcomes)


def _of_webhook(webhook_id: str, body: bytes, outcomes: Mapping[str, Outcome]) -> Iterator[str]:
    job_id, _, seq = webhook_id.rpartition("-")
    job, hook = outcomes[job_id].job, from_json(body)
    says = (hook["type"], hook["data"]["job_id"], hook["data"]["seq"], hook["data"]["status"])
    if says != (f"job.{job.status}", job_id, int(seq), job.status):
        yield f"webhook {webhook_id} says {says} of {told(job)}, which is {job.status}"


# Census


def of_census(before: Census | None, after: Census | None) -> Iterator[str]:
    """Nothing has grown, by the worst process of each role before."""
    if before is None or after is None:
        return
    for name, count in after.processes.items():
        peers = [peer for peer in before.processes.values() if peer.role == count.role]
        if count.threads > (most := max(POOL_THREADS, *(peer.threads for peer in peers))):
            yield f"{name} has {count.threads} threads, {most} before"
        if count.children > (most := max(peer.children for peer in peers)):
            yield f"{name} has {count.children} child processes, {most} before"
        yield from _grown(name, "descriptors", count.descriptors, [peer.descriptors for peer in peers])
        yield from _grown(name, "tasks", count.tasks, [peer.tasks for peer in peers])
    if after.listeners > before.listeners:
        yield f"{after.listeners} connections listen to Redis channels, {before.listeners} before"
    if len(after.channels) > len(before.channels):
        yield f"channels subscribed to: {after.channels}, before: {before.channels}"
    yield from (f"a process is left: {stray}" for stray in after.strays)


def _grown(name: str, what: str, now: Mapping[str, int], before: Sequence[Mapping[str, int]]) -> Iterator[str]:
    for sort, count in now.items():
        most = POOL_SOCKETS if sort == "unix" else max(peer.get(sort, 0) for peer in before)
        if count > most:
            yield f"{name} has {count} {what} of {sort}, {most} before"


# Words


def told(job: Job) -> str:
    """A job in a message."""
    return f"{job.kind} {job.job_id}"


def _brief(numbers: Sequence[int]) -> str:
    return f"{len(numbers)} numbers {list(numbers[:5])} … {list(numbers[-5:])}, missing or repeated: {_odd(numbers)}"


def _odd(numbers: Sequence[int]) -> list[int]:
    counts = Counter(numbers)
    return [n for n in range(max(numbers, default=-1) + 1) if counts[n] != 1][:10]


def _disorder(seqs: Sequence[int]) -> list[tuple[int, int]]:
    """Neighbours that do not rise."""
    return [(a, b) for a, b in pairwise(seqs) if b <= a][:10]
