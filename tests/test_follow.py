import pytest
from pydantic_core import to_json

from app.client.follow import (
    LONGEST_RETRY_MS,
    TRIES_BEFORE_FIRST_ANSWER,
    TRIES_IN_A_ROW,
    Answer,
    Follower,
    NotOurs,
    answer,
)
from tests.small_server import event, stream

STREAM = "text/event-stream"


def follower(after: int | None = None, chance: float = 0) -> Follower:
    return Follower(after, chance=lambda: chance)


def fed(one: Follower, *events: dict[str, object], retry: int = 3000) -> list[int]:
    return [told["seq"] for told in one.feed(stream(*events, retry=retry).body)]


def test_a_fresh_follower_names_no_position() -> None:
    assert "Last-Event-ID" not in follower().connect()


def test_it_resumes_from_where_it_was_told_to_start_and_then_from_what_it_had() -> None:
    one = follower(after=0)
    assert one.connect()["Last-Event-ID"] == "0"
    fed(one, event(4, "log", line="a"))
    assert one.connect()["Last-Event-ID"] == "4"


def test_it_tells_no_event_twice() -> None:
    one = follower()
    assert fed(one, event(1, "pending"), event(2, "processing")) == [1, 2]
    one.connect()
    assert fed(one, event(2, "processing"), event(3, "log")) == [3]


def test_a_snapshot_is_always_told_and_moves_the_position() -> None:
    one = follower(after=9)
    assert fed(one, event(5, "snapshot", status="processing"), event(6, "log")) == [5, 6]


@pytest.mark.parametrize("type_", ["completed", "failed", "cancelled"])
def test_it_has_ended_with_the_terminal_event(type_: str) -> None:
    one = follower()
    fed(one, event(1, "processing"))
    assert not one.ended
    fed(one, event(2, type_))
    assert one.ended


def test_it_has_ended_with_a_snapshot_of_an_ended_job() -> None:
    one = follower()
    fed(one, event(7, "snapshot", status="completed"))
    assert one.ended


def test_an_end_in_the_middle_of_the_log_of_a_retried_job_is_not_the_end() -> None:
    one = follower(after=0)
    fed(one, event(1, "failed"), event(2, "pending"))
    assert not one.ended


def test_an_event_cut_by_the_end_of_a_connection_is_forgotten() -> None:
    one = follower()
    one.feed(b'data: {"seq": 1')
    one.connect()
    assert fed(one, event(1, "pending")) == [1]


def test_waits_grow_from_what_the_server_asked_for_to_a_bound() -> None:
    one = follower()
    fed(one, event(1, "pending"), retry=3000)
    waits = [one.lost() for _ in range(TRIES_IN_A_ROW)]
    assert waits[:5] == [3, 6, 12, 24, 48]
    assert waits[5] == LONGEST_RETRY_MS / 1000
    assert waits[-1] is None


def test_chance_only_ever_lengthens_a_wait() -> None:
    one = follower(chance=1)
    fed(one, retry=1000)
    assert one.lost() == 1.5


def test_a_connection_that_brought_something_starts_the_count_anew() -> None:
    one = follower()
    fed(one)
    for _ in range(TRIES_IN_A_ROW - 1):
        assert one.lost() is not None
    one.feed(b": keep-alive\n\n")
    assert one.lost() == 3


def test_a_server_never_heard_is_given_up_soon() -> None:
    one = follower()
    waits = [one.lost() for _ in range(TRIES_BEFORE_FIRST_ANSWER)]
    assert waits == [0.25, 0.5, None]


def test_retry_after_is_obeyed_within_reason() -> None:
    assert follower().lost(7) == 7
    assert follower().lost(10**9) == LONGEST_RETRY_MS / 1000


@pytest.mark.parametrize(("retry", "seconds"), [(0, 0.1), (10**12, 60)])
def test_a_strange_retry_is_kept_within_bounds(retry: int, seconds: float) -> None:
    one = follower()
    fed(one, retry=retry)
    assert one.lost() == seconds


@pytest.mark.parametrize(
    ("status", "content_type", "meaning"),
    [
        (200, STREAM, Answer.STREAM),
        (200, "Text/Event-Stream; charset=utf-8", Answer.STREAM),
        (204, "", Answer.OVER),
        (404, "application/problem+json", Answer.REFUSED),
        (302, "", Answer.REFUSED),
        (500, "text/plain", Answer.REFUSED),
        (429, "", Answer.NOT_NOW),
        (503, "", Answer.NOT_NOW),
    ],
)
def test_the_head_of_an_answer_says_what_to_do(status: int, content_type: str, meaning: Answer) -> None:
    assert answer(status, content_type) is meaning


def test_a_page_instead_of_a_stream_is_not_ours() -> None:
    with pytest.raises(NotOurs, match="text/html"):
        answer(200, "text/html")


@pytest.mark.parametrize("data", ["{", "[]", "{}", to_json({"seq": "x", "type": "log"}).decode()])
def test_data_that_is_no_event_is_not_ours(data: str) -> None:
    with pytest.raises(NotOurs):
        follower().feed(f"data: {data}\n\n".encode())
