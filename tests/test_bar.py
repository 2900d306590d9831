from typing import Any

import pytest

from app.bar import bar, duration
from app.events import Event
from app.hub import BarWire
from app.jobs import Job, Status


def job(status: Status, **more: Any) -> Job:
    fixed: dict[str, Any] = {
        "job_id": "a" * 26,
        "kind": "transcode",
        "status": status,
        "owner": "default",
        "queue": "default",
        "seq": 3,
        "attempt": 1,
        "max_attempts": 1,
        "created_at": 0,
        "updated_at": 0,
    }
    return Job(**fixed | more)


FULL, EMPTY = "█" * 20, "░" * 20


@pytest.mark.parametrize(
    ("status", "more", "line"),
    [
        (Status.PENDING, {"position": 3}, f"transcode  [{EMPTY}]   0 %  pending, 3 ahead"),
        (Status.PENDING, {"progress": {"percent": 50, "message": "old"}, "eta_ms": 9_000}, "50 %  pending"),
        (Status.PROCESSING, {}, f"transcode  [{EMPTY}]   0 %  processing"),
        (
            Status.PROCESSING,
            {"progress": {"percent": 42.9, "message": "encoding"}, "eta_ms": 12_000},
            "transcode  [████████░░░░░░░░░░░░]  42 %  encoding  eta 12 s",
        ),
        (Status.PROCESSING, {"progress": {"percent": 99.99}}, f"transcode  [{'█' * 19}░]  99 %  processing"),
        (Status.PROCESSING, {"waiting_for": "callback"}, "0 %  waiting for callback"),
        (Status.PROCESSING, {"cancel_requested_at": 1}, "0 %  stopping"),
        (Status.COMPLETED, {"progress": {"percent": 98}}, f"transcode  [{FULL}] 100 %  completed"),
        (Status.CANCELLED, {"cancel_requested_at": 1}, f"transcode  [{EMPTY}]   0 %  cancelled"),
        (Status.FAILED, {"error": {"code": "timeout", "message": "too slow"}}, "0 %  failed: too slow"),
    ],
)
def test_each_standing_has_its_line(status: Status, more: dict[str, Any], line: str) -> None:
    assert bar(job(status, **more)).endswith(line)


def test_a_handlers_words_cannot_steer_a_terminal_or_leave_the_line() -> None:
    message = "a\x1b[2J\r\n\u202eb\x9b1m" + "x" * 500
    line = bar(job(Status.PROCESSING, kind="k\x07\n", progress={"percent": 1, "message": message}))
    assert line.isprintable()
    assert len(line) < 120


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (185, "3 min 05 s"), (7500, "2 h 05 min")]
)
def test_a_duration_is_as_precise_as_it_is_short(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_handler_may_say_that_any_time_is_left() -> None:
    progress = Event("a" * 26, 4, "progress", 0, '{"percent":50,"eta_seconds":1e306}')
    assert b"50 %" in BarWire(job(Status.PROCESSING)).encode([progress])["body"]
