from typing import Any

import pytest

from app.cli.complaints import NEXT, complaint
from app.client import Refused, Unreachable
from app.display.sentences import clean, ending, status_of, told
from app.errors import Refusal
from tests.small_server import event, job


@pytest.mark.parametrize(
    ("type_", "data", "sentence"),
    [
        (
            "snapshot",
            {"status": "processing", "progress": {"percent": 42.9, "message": "half"}},
            "processing   42 %  half",
        ),
        ("pending", {"reason": "submitted"}, ""),
        ("pending", {"reason": "worker_lost"}, "its worker was lost"),
        ("position", {"position": 0}, "next"),
        ("position", {"position": 3, "eta_seconds": 9}, "3 ahead  ETA 9 s"),
        ("suspended", {"by": "me", "until": "tomorrow"}, "until tomorrow"),
        ("resumed", {"by": "me"}, ""),
        ("processing", {"attempt": 2, "worker": "w"}, "attempt 2 on w"),
        ("progress", {"percent": 7, "eta_seconds": 65}, "  7 %  ETA 1 min 05 s"),
        ("log", {"level": "warning", "line": "careful"}, "warning: careful"),
        ("waiting", {"for": "callback", "deadline": "tomorrow"}, "for a callback until tomorrow"),
        ("cancel_requested", {"by": "me", "reason": "late"}, "late"),
        ("completed", {"result": 1}, ""),
        ("failed", {"error": {"code": "timeout", "message": "too slow"}}, "too slow (timeout)"),
        ("metric", {"step": 1}, '{"step":1}'),
    ],
)
def test_every_event_is_told_in_a_sentence(type_: str, data: dict[str, Any], sentence: str) -> None:
    assert told(event(1, type_, **data)).strip() == sentence.strip()


def test_what_a_handler_says_cannot_steer_the_terminal() -> None:
    assert told(event(1, "log", line="a\x1b[2Jb\r\nc\u202ed")) == "info: a [2Jb  c d"
    assert clean("ünï ✓") == "ünï ✓"


def test_a_completed_job_ends_with_its_result_and_where_it_is() -> None:
    done = job(
        "completed",
        started_at="2026-11-23T18:00:00.000Z",
        finished_at="2026-11-23T18:01:02.345Z",
        result={"rows": 3},
        result_url="/api/jobs/x/result",
    )
    assert list(ending(done, lambda link: f"http://h{link}")) == [
        "completed in 62.3 s",
        "{",
        '  "rows": 3',
        "}",
        "http://h/api/jobs/x/result",
    ]


def test_a_failed_job_ends_with_its_error() -> None:
    failed = job("failed", error={"code": "handler_error", "message": "boom"})
    assert list(ending(failed, str)) == ["failed: boom (handler_error)"]


def test_a_refusal_is_told_with_its_fields_and_what_to_try() -> None:
    refused = Refused(
        {
            "status": 422,
            "title": "The params do not fit",
            "detail": "'x' is not of type 'integer'",
            "code": "invalid_params",
            "errors": [{"pointer": "/params/height", "message": "'x' is not of type 'integer'"}, "odd"],
        }
    )
    first, field, odd, hint = complaint(refused)
    assert first == "Refused: 'x' is not of type 'integer' (invalid_params)"
    assert field == "  height: 'x' is not of type 'integer'"
    assert odd == "  odd"
    assert "tidings kinds" in hint


def test_an_unreachable_service_is_told_with_how_to_start_one() -> None:
    first, hint = complaint(Unreachable("http://h", "connection refused"))
    assert first == "No answer from http://h: connection refused"
    assert "tidings up" in hint


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"status": "pending"}, "pending"),
        ({"status": "pending", "suspended_at": "now"}, "suspended"),
        ({"status": "processing", "cancel_requested_at": "now"}, "cancelling"),
        ({"status": "processing", "waiting_for": "callback"}, "waiting"),
        ({"status": "cancelled", "cancel_requested_at": "now"}, "cancelled"),
    ],
)
def test_a_status_says_what_is_to_the_point(fields: dict[str, Any], word: str) -> None:
    assert status_of(fields) == word


def test_what_to_try_is_said_of_refusals_there_are() -> None:
    assert NEXT.keys() <= {refusal.code for refusal in Refusal.__subclasses__()}
