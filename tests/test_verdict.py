from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic_core import from_json

from app.store import Run
from workers import Failed, Retry, Wait
from workers.run import verdict
from workers.run.ending import HandlerRaised, ProcessDied
from workers.run.stop import Reason

RUN = Run("job", "w-2", "k", "default", attempt=1, max_attempts=3, timeout_ms=1500, params="{}")

OUT_OF_MEMORY = {"code": "out_of_memory", "type": "MemoryError"}


def test_the_back_off_doubles_up_to_five_minutes_and_is_never_the_same() -> None:
    for attempt, ceiling in [(1, 1), (2, 2), (3, 4), (9, 256), (10, 300), (1000, 300)]:
        seconds = [verdict.backoff_seconds(attempt) for _ in range(20)]
        assert all(ceiling / 2 <= each <= ceiling for each in seconds)
        assert len(set(seconds)) > 1


@pytest.mark.parametrize(
    ("error", "argument"), [(Retry(2.5), "2500"), (Retry(timedelta(minutes=1)), "60000"), (Retry(0), "0")]
)
def test_retry_says_when(error: Retry, argument: str) -> None:
    entry = verdict.raised(RUN, error)
    assert (entry.type, entry.argument) == ("pending", argument)
    assert from_json(entry.data)["retry_at"] == "@"


def test_wait_says_until_when() -> None:
    assert verdict.raised(RUN, Wait(timedelta(hours=1))) == (
        "waiting",
        '{"for":"callback","deadline":"@"}',
        "3600000 0 0",
    )


def test_the_last_attempt_fails_with_the_error_it_had() -> None:
    last = replace(RUN, attempt=3)
    for error, told in [
        (ValueError("boom"), {"code": "handler_error", "message": "boom", "type": "ValueError"}),
        (ValueError(), {"code": "handler_error", "message": "ValueError", "type": "ValueError"}),
        (HandlerRaised("KeyError", "'a'", ""), {"code": "handler_error", "message": "'a'", "type": "KeyError"}),
        (ProcessDied("gone"), {"code": "process_died", "message": "gone"}),
        (ProcessDied("hot", "cpu_limit"), {"code": "cpu_limit", "message": "hot"}),
        (MemoryError(), OUT_OF_MEMORY | {"message": "The handler ran out of memory."}),
        (HandlerRaised("MemoryError", "1 GiB", ""), OUT_OF_MEMORY | {"message": "1 GiB"}),
    ]:
        assert from_json(verdict.raised(last, error).data) == {"error": told}


def test_failed_fails_whatever_attempts_are_left() -> None:
    entry = verdict.raised(RUN, Failed("no", "no_use"))
    assert (entry.type, from_json(entry.data)) == ("failed", {"error": {"code": "no_use", "message": "no"}})


def test_a_message_is_bounded() -> None:
    told = from_json(verdict.raised(RUN, ValueError("x" * 100_000)).data)["error"]["message"]
    assert len(told) == verdict.MOST_MESSAGE


def test_each_reason_to_stop_has_its_end() -> None:
    assert verdict.stopped(RUN, None) is None
    ends = {Reason.CANCELLED: "cancelled", Reason.INTERRUPTED: "pending", Reason.TIMEOUT: "pending"}
    for reason, type_ in ends.items():
        entry = verdict.stopped(RUN, reason)
        assert entry
        assert entry.type == type_
    timeout = verdict.stopped(replace(RUN, attempt=3), Reason.TIMEOUT)
    assert timeout
    assert from_json(timeout.data)["error"] == {
        "code": "timeout",
        "message": "The attempt took longer than 1.5 seconds.",
    }


@pytest.mark.parametrize(
    "seconds",
    [-1, float("nan"), float("inf"), timedelta(-1), 366 * 86_400, 10**400, timedelta.max],
    ids=lambda seconds: str(seconds)[:20],
)
def test_only_lengths_of_time_are_taken(seconds: float) -> None:
    with pytest.raises(ValueError, match="seconds"):
        Retry(seconds)
    with pytest.raises(ValueError, match="seconds"):
        Wait(seconds)


def test_a_year_is_the_longest_time_there_is() -> None:
    assert Retry(timedelta(days=365)).after == Wait(365 * 86_400).deadline == 31_536_000.0


def test_a_code_is_a_word() -> None:
    with pytest.raises(ValueError, match="code"):
        Failed("x", "No Word")
