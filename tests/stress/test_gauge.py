from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.stress.gauge import Bound, Gauge, spark
from tests.stress.readings import MEMORY_MB, SECONDS

TEN_MINUTES = int(600 / SECONDS)


def noisy(base: float, per_reading: float = 0, *, noise: float = 0.5) -> Gauge:
    random = Random(7)
    readings = [base + per_reading * n + random.uniform(-noise, noise) for n in range(TEN_MINUTES)]
    return Gauge("RSS", MEMORY_MB, readings)


def test_what_only_wavers_is_flat() -> None:
    assert noisy(70).problem is None


def test_a_warm_up_is_not_a_leak() -> None:
    gauge = noisy(70)
    third = TEN_MINUTES // 3
    gauge.readings[:third] = [40 + 30 * n / third for n in range(third)]
    assert gauge.problem is None


def test_a_moments_peak_is_not_a_leak() -> None:
    gauge = noisy(70)
    gauge.readings[-10:-5] = [200] * 5
    assert gauge.problem is None


@pytest.mark.parametrize("mb_per_minute", [1, 5, 50])
def test_a_leak_is_told(mb_per_minute: float) -> None:
    problem = noisy(60, mb_per_minute * SECONDS / 60).problem
    assert problem
    assert "grew by" in problem


def test_the_larger_of_share_and_least_is_allowed() -> None:
    course = [10.0] * 10 + [14.0] * 5
    assert Gauge("x", Bound(0.5, 1), course).problem is None
    assert Gauge("x", Bound(0.1, 4), course).problem is None
    assert Gauge("x", Bound(0.1, 1), course).problem


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=500))
def test_a_course_is_one_short_line(readings: list[float]) -> None:
    assert 0 < len(spark(readings)) <= 40
    assert "RSS" in str(Gauge("RSS", MEMORY_MB, readings))
