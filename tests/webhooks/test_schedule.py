"""When a webhook is sent again."""

import pytest

from workers.webhooks.schedule import DELAYS_MS, JITTER, LONGEST_WISH_MS, Schedule, wished_ms

NOW = 1_764_111_600_000
DATE = "Tue, 25 Nov 2025 23:00:00 GMT"
"""The same moment."""


def test_the_delays_are_those_of_standard_webhooks() -> None:
    assert [ms / 1000 for ms in DELAYS_MS] == [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]


@pytest.mark.parametrize("attempt", range(1, 10))
def test_each_delay_is_jittered_around_its_own_and_scaled(attempt: int) -> None:
    delays = [Schedule(0.1).delay_ms(attempt) or 0 for _ in range(200)]
    mean = DELAYS_MS[attempt - 1] * 0.1
    assert mean * (1 - JITTER) - 1 <= min(delays) < mean < max(delays) <= mean * (1 + JITTER) + 1


def test_after_the_tenth_attempt_there_is_none() -> None:
    assert Schedule().delay_ms(10) is None
    assert Schedule().delay_ms(10, 60_000) is None


def test_a_wish_makes_it_later_and_never_sooner() -> None:
    assert Schedule().delay_ms(1, 60_000) == 60_000
    assert (Schedule().delay_ms(2, 60_000) or 0) > 60_000


@pytest.mark.parametrize(
    ("retry_after", "date", "ms"),
    [
        *(("", "", 0), ("0", "", 0), ("7", "", 7_000), ("999999999999999", "", LONGEST_WISH_MS)),
        *(("-1", "", 0), ("1.5", "", 0), ("soon", "", 0), ("٣", "", 0), ("7 s", DATE, 0)),
        ("Tue, 25 Nov 2025 23:00:30 GMT", "", 30_000),
        ("Tue, 25 Nov 2025 22:00:30 GMT", "", 0),
        ("Wed, 25 Nov 2026 23:00:30 GMT", "", LONGEST_WISH_MS),
        ("Tue, 25 Nov 2025 20:00:30 GMT", "Tue, 25 Nov 2025 20:00:00 GMT", 30_000),
        ("Tue, 25 Nov 2025 23:00:30 GMT", "nonsense", 30_000),
        ("Tue, 25 Nov 99999 23:00:30 GMT", "", 0),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_moment_by_the_receivers_clock(
    retry_after: str, date: str, ms: int
) -> None:
    assert wished_ms(retry_after, date, NOW) == ms
