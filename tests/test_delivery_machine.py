"""Deliveries on a real Valkey against the model of what receivers may be sent: any moves, in any order."""

import os
from asyncio import Runner
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from functools import partial
from typing import Any, Final, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from app.store import Claimed, Delivery, Due, Outcome
from app.webhooks import DEFAULT_EVENTS
from tests.delivery_model import Model, Told
from tests.ground import OWNER, submission
from tests.still_store import Forgotten, StillStore

T = TypeVar("T")
Machines = Callable[..., Callable[[], "DeliveryMachine"]]

EXAMPLES: Final = int(os.environ.get("STORE_MACHINE_EXAMPLES", "40"))
LEASE_MS: Final = 20_000
HOSTS: Final = ("a:80", "b:80")
OWNERS: Final = (OWNER, OWNER, "an other")
ENDS: Final = (
    ("delivered", 200),
    ("failed", 404),
    ("retrying", 500),
    ("retrying", None),
    ("retrying", None),
    ("retrying", 302),
    ("retrying", 429),
)


def one_of(choose: Callable[["DeliveryMachine"], Sequence[T]]) -> st.SearchStrategy[T]:
    """One of what the machine has at that time."""
    return st.runner().flatmap(lambda machine: st.sampled_from(choose(machine)))


class DeliveryMachine(RuleBasedStateMachine):
    """Makes each move on the scripts and on the model."""

    def __init__(self, store: StillStore) -> None:
        super().__init__()
        store.clear()
        self.store, self.model = store, Model()
        self.issued: list[Due] = []

    @rule(host=st.sampled_from(HOSTS), owner=st.sampled_from(OWNERS), count=st.sampled_from((1, 3)))
    def a_job_ends(self, host: str, owner: str, count: int) -> None:
        for _ in range(count):
            job_id = f"job{len(self.model.told)}"
            of = submission(job_id=job_id, owner=owner, callback_url=f"http://{host}/", callback_events=DEFAULT_EVENTS)
            self.store.ask(self.store.jobs.submit(of))
            self.store.ask(self.store.jobs.cancel(of.job_id, "a"))
            self.model.queue(of.job_id, owner, host)

    @rule(slots=st.sampled_from((1, 2, 9, 9)))
    def claim(self, slots: int) -> None:
        self._claim(slots)

    def _claim(self, slots: int) -> list[Due]:
        claimed = self.store.ask(self.store.deliveries.claim("d", slots, lease_ms=LEASE_MS))
        self.model.recover()
        claimable = self.model.claimable()
        for due in claimed.deliveries:
            self._begin(self.model.told[due.job_id], due)
        if not self.model.passes:
            self._all_had_their_turn(claimed, slots, claimable)
        elif len(claimed.deliveries) < slots:
            self._only_those_were_left_out_whose_owner_has_its_share()
        self.model.pass_over(LEASE_MS)
        return [*claimed.deliveries]

    def _all_had_their_turn(self, claimed: Claimed, slots: int, claimable: Mapping[str, list[Told]]) -> None:
        found = {host: [due for due in claimed.deliveries if due.host == host] for host in HOSTS}
        assert len(claimed.deliveries) == min(slots, sum(map(len, claimable.values())))
        most = max(map(len, found.values()))
        for host, lane in claimable.items():
            first = lane[: len(found[host])]
            assert [due.job_id for due in found[host]] == [one.job_id for one in first]
            assert len(found[host]) in {most, most - 1, len(lane)}, "each has its turn"
        if len(claimed.deliveries) < slots:
            assert claimed.next_due_ms == self.model.next_due_ms()

    def _only_those_were_left_out_whose_owner_has_its_share(self) -> None:
        for host in HOSTS:
            for one in self.model.lane(host) if self.model.room(host) else ():
                assert one.passed > self.model.now or self.model.is_full(one.owner)

    def _begin(self, one: Told, due: Due) -> None:
        assert (due.owner, due.attempt) == (one.owner, one.attempt + 1)
        assert not self.model.is_full(one.owner)
        assert one in self.model.lane(one.host)
        assert self.model.room(one.host)
        one.passed, one.due, one.lease, one.token, one.status = 0, None, self.model.now + LEASE_MS, due.token, "sending"
        assert due.claimed_at == self.model.now
        assert due.token not in {other.token for other in self.issued if other.job_id == due.job_id}
        self.issued.append(due)

    @precondition(lambda self: self.issued)
    @rule(
        due=one_of(lambda self: self.issued[-6:]),
        end=st.sampled_from(ENDS),
        retry_in_ms=st.sampled_from((0, 5_000, 300_000)),
        peace_ms=st.sampled_from((0, 0, 60_000)),
    )
    def settle(self, due: Due, end: tuple[Any, int | None], retry_in_ms: int, peace_ms: int) -> None:
        """By who holds it, or has lost it since."""
        status, http_status = end
        peace_ms = peace_ms if http_status == 429 else 0
        outcome = Outcome(status, 0, 1, http_status, retry_in_ms=retry_in_ms, pause_host_ms=peace_ms)
        self.store.ask(self.store.deliveries.settle(due, outcome))
        one = self.model.told[due.job_id]
        if one.token != due.token:
            return
        one.lease, one.token, one.attempt, one.status = None, "", one.attempt + 1, status
        one.due = self.model.now + retry_in_ms if status == "retrying" else None
        self.model.receivers[one.host].answered(self.model.now, http_status, peace_ms)

    @precondition(lambda self: self.model.told)
    @rule(times=st.integers(1, 6), end=st.sampled_from(ENDS), retry_in_ms=st.sampled_from((0, 0, 0, 5_000)))
    def receivers_answer(self, times: int, end: tuple[Any, int | None], retry_in_ms: int) -> None:
        """All the same, some times in a row."""
        for _ in range(times):
            for due in self._claim(9):
                self.settle(due, end, retry_in_ms, 0)

    @precondition(lambda self: self.model.told)
    @rule(job_id=one_of(lambda self: [*self.model.told][-6:]))
    def redeliver(self, job_id: str) -> None:
        assert self.store.ask(self.store.delivery_log.redeliver(job_id, 1))
        self._again(self.model.told[job_id])

    @precondition(lambda self: self.failed)
    @rule()
    def redeliver_failed(self) -> None:
        failed = self.failed
        assert self.store.ask(self.store.delivery_log.redeliver_failed(OWNER)) == (len(failed), False)
        for one in failed:
            self._again(one)

    @property
    def failed(self) -> list[Told]:
        return [one for one in self.model.told.values() if (one.status, one.owner) == ("failed", OWNER)]

    def _again(self, one: Told) -> None:
        if one.token:
            return
        if one.due is None:
            one.attempt, one.status = 0, "pending"
        one.due, one.passed = self.model.now, 0
        self.model.receivers[one.host].until = 0

    @rule(ms=one_of(lambda self: [1, 500, *list(self.model.turns_ms())[:6]]))
    def time_passes(self, ms: int) -> None:
        self.model.now += ms
        self.store.move_to(self.model.now)

    @invariant()
    def what_is_listed_is_how_it_stands(self) -> None:
        for one in list(self.model.told.values())[-3:]:
            (listed,) = self.store.ask(self._listed(one.job_id))
            assert (listed.status, listed.attempt, listed.next_at) == (one.status, one.attempt, one.due)

    async def _listed(self, job_id: str) -> list[Delivery]:
        found, _ = await self.store.delivery_log.page(job_id, limit=2)
        return found

    @invariant()
    def nothing_is_kept_but_what_waits_or_is_under_way(self) -> None:
        waiting = [one.job_id for one in self.model.told.values() if one.due is not None]
        assert sorted(job_id for host in HOSTS for job_id in self._kept(f"lane:{host}")) == sorted(waiting)
        under_way = [one.job_id for one in self.model.told.values() if one.lease is not None]
        assert sorted(self._kept("leases")) == sorted(under_way)

    def _kept(self, name: str) -> list[str]:
        entries: Any = self.store.redis.zrange(f"tidings:webhooks:{name}", 0, -1)
        return [entry.decode().split()[0] for entry in entries]


@pytest.fixture
def machines(valkey: str) -> Iterator[Machines]:
    with Runner() as loop, ExitStack() as stack:

        def machine(forgotten: Forgotten | None = None) -> Callable[[], DeliveryMachine]:
            store = stack.enter_context(closing(StillStore(valkey, loop, options={}, forgotten=forgotten)))
            return partial(DeliveryMachine, store)

        yield machine


def play(machine: Any, **options: Any) -> None:
    """Raises what went wrong, of the first game that did."""
    calm = settings(deadline=None, suppress_health_check=list(HealthCheck), report_multiple_bugs=False, print_blob=True)
    run_state_machine_as_test(
        machine, settings=settings(calm, max_examples=EXAMPLES, stateful_step_count=40, **options)
    )


@pytest.mark.timeout(600 + EXAMPLES)
def test_receivers_are_sent_what_they_may_be(machines: Machines) -> None:
    play(machines(), derandomize="CI" in os.environ)


@pytest.mark.parametrize(
    "forgotten",
    [
        Forgotten("ZADD", "tidings:webhooks:hosts"),
        Forgotten("ZADD", "tidings:webhooks:lane:"),
        Forgotten("ZREM", "tidings:webhooks:lane:"),
        Forgotten("ZADD", "tidings:webhooks:leases"),
        Forgotten("HINCRBY", "tidings:webhooks:host:"),
        Forgotten("HSET", "tidings:webhooks:host:"),
        Forgotten("HDEL", "tidings:webhooks:host:"),
        Forgotten("ZADD", "tidings:webhooks:owner:"),
        Forgotten("ZREM", "tidings:webhooks:owner:"),
    ],
    ids=" ".join,
)
def test_a_script_that_forgot_a_command_would_be_found(machines: Machines, forgotten: Forgotten) -> None:
    with pytest.raises(AssertionError):
        play(machines(forgotten), derandomize=True, phases=[Phase.generate])
