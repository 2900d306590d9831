from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tests.stress import plan
from tests.stress.orders import WEIGHTS, any_order

SEEDS = st.integers(0, 2**32)
LENGTHS = st.floats(1, 60)


@given(SEEDS, LENGTHS)
def test_a_seed_gives_the_same_plan_again(seed: int, seconds: float) -> None:
    assert plan.make(seed, seconds) == plan.make(seed, seconds)


@given(SEEDS, LENGTHS)
def test_everything_begins_within_the_time(seed: int, seconds: float) -> None:
    made = plan.make(seed, seconds)
    for moments in ([submit.at for submit in made.submits], [strike.at for strike in made.strikes]):
        assert moments == sorted(moments)
        assert all(0 <= moment < seconds for moment in moments)


@given(SEEDS)
def test_a_longer_run_begins_like_a_shorter_one(seed: int) -> None:
    short, long = plan.make(seed, 10), plan.make(seed, 20)
    assert long.submits[: len(short.submits)] == short.submits
    assert [strike for strike in long.strikes if strike.at < 10] == list(short.strikes)


@given(SEEDS, LENGTHS)
def test_a_subject_is_struck_again_only_when_the_last_fault_is_over(seed: int, seconds: float) -> None:
    made = plan.make(seed, seconds)
    for subject in {strike.subject for strike in made.strikes}:
        strikes = [strike for strike in made.strikes if strike.subject == subject]
        assert all(a.at + a.seconds < b.at for a, b in pairwise(strikes))


@given(SEEDS)
def test_only_what_has_a_key_is_sent_more_than_once(seed: int) -> None:
    for submit in plan.make(seed, 30).submits:
        assert submit.keyed or (submit.copies == 1 and not submit.repeats)


def test_two_minutes_hold_every_order_and_every_fault() -> None:
    for seed in range(20):
        made = plan.make(seed, 120)
        assert {submit.order.kind for submit in made.submits} >= {"steady_process", "patient", "reading", "talkative"}
        assert {(strike.subject[:4], strike.how) for strike in made.strikes} >= {
            ("work", "kill"),
            ("work", "freeze"),
            ("web ", "kill"),
        }
        assert len(made.submits) < 700, "too much for two cores"


def test_an_order_knows_what_it_results_in() -> None:
    random = Random(0)
    orders = [any_order(random, WEIGHTS) for _ in range(500)]
    assert {order.kind for order in orders} > {"steady", "saving", "murder"}
    assert len({make.__name__ for make in WEIGHTS}) == len(WEIGHTS)
    reading = next(order for order in orders if order.kind == "reading")
    assert len(reading.upload(1)) == reading.upload_bytes
    assert reading.result(1) != reading.result(2)
    assert next(order for order in orders if order.kind == "steady").result(1) is not None
    assert next(order for order in orders if order.kind == "failing").result(1) is None
