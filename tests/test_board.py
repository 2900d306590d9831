"""What `tidings top` knows of the jobs, from lists and the feed."""

from typing import Any

import pytest
from rich.console import Console

from app.cli.board import MOST_JOBS, Board
from app.cli.table import drawn
from tests.small_server import event


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def board(clock: Clock) -> Board:
    return Board(clock=clock)


def job(job_id: str, status: str = "pending", seq: int = 1, **fields: Any) -> dict[str, Any]:
    at = f"2026-11-23T18:00:{seq:02}.000Z"
    return {"job_id": job_id, "kind": "k", "status": status, "seq": seq, "created_at": at, "progress": None} | fields


def told(job_id: str, seq: int, type_: str, **data: Any) -> dict[str, Any]:
    return event(seq, type_, **data) | {"job_id": job_id}


def screen(board: Board, *, width: int = 120, live: bool = True, most: int | None = None) -> str:
    console = Console(width=width, color_system=None)
    with console.capture() as shown:
        console.print(drawn(board, most, live=live))
    return shown.get()


def test_events_move_a_job_on(board: Board) -> None:
    board.put(job("a"))
    board.take(told("a", 2, "processing", attempt=1))
    board.take(told("a", 3, "progress", percent=42, eta_seconds=9))
    (row,) = board.rows()
    assert (row["status"], row["progress"]["percent"], row["eta_seconds"]) == ("processing", 42, 9)
    board.take(told("a", 4, "failed", error={"message": "boom"}))
    assert board.rows()[0]["error"] == {"message": "boom"}


def test_what_is_older_than_what_is_known_changes_nothing(board: Board) -> None:
    board.put(job("a", "completed", 5))
    board.take(told("a", 4, "processing"))
    board.put(job("a", "pending", 1))
    board.take(told("a", 3, "snapshot") | {"data": job("a", "processing", 3)})
    assert [row["status"] for row in board.rows()] == ["completed"]


def test_an_event_of_an_unknown_job_asks_for_a_list(board: Board) -> None:
    board.stale = False
    board.take(told("a", 1, "snapshot") | {"data": job("a")})
    assert not board.stale
    board.take(told("b", 1, "pending"))
    assert board.stale


def test_a_new_connection_begins_from_nothing(board: Board) -> None:
    board.put(job("a"))
    board.connected(2.5)
    assert (board.away, len(board.rows())) == (2.5, 1)
    board.stale = False
    board.connected(0)
    assert (board.away, board.rows(), board.stale) == (0, [], True)


def test_what_runs_comes_first_then_what_waits_then_the_latest_end(board: Board) -> None:
    board.put(job("old", "completed", 2, finished_at="2026-11-23T18:01:01.000Z"))
    board.put(job("new", "failed", 3, finished_at="2026-11-23T18:01:02.000Z"))
    board.put(job("waits", "pending", 4))
    board.put(job("runs", "processing", 5, started_at="2026-11-23T18:01:01.000Z"))
    assert [row["job_id"] for row in board.rows()] == ["runs", "waits", "new", "old"]
    assert "… 2 more" in screen(board, most=2)
    assert "more" not in screen(board)


def test_only_the_statuses_asked_for_are_shown() -> None:
    board = Board({"failed"})
    board.put(job("a"))
    board.put(job("b", "failed", finished_at="2026-11-23T18:01:01.000Z"))
    assert [row["job_id"] for row in board.rows()] == ["b"]


def test_it_forgets_what_ended_longest_ago(board: Board) -> None:
    board.put(job("first", "completed", finished_at="2026-11-23T18:01:00.000Z"))
    for n in range(MOST_JOBS):
        board.put(job(f"j{n}"))
    assert len(board.rows()) == MOST_JOBS
    assert "first" not in {row["job_id"] for row in board.rows()}


def test_ends_are_counted_by_the_minute(board: Board, clock: Clock) -> None:
    for n in range(3):
        board.take(told(f"j{n}", 9, "completed"))
    clock.now = 30
    assert board.ended_per_minute == 6
    clock.now = 61
    assert board.ended_per_minute == 0


def test_the_table_counts_and_shows_bars_and_reasons(board: Board) -> None:
    board.put(job("runs", "processing", 1, started_at="2026-11-23T18:00:00.000Z", progress={"percent": 50}))
    board.put(job("broke", "failed", 2, finished_at="2026-11-23T18:01:01.000Z", error={"message": "[red]bo\x1bom"}))
    board.put(job("waits", position=3))
    shown = screen(board)
    assert "1 running   1 pending   1 ended" in shown
    assert " 50 %" in shown
    assert "3 ahead" in shown
    assert "[red]bo om" in shown
    assert "q ends" in shown
    assert "q ends" not in screen(board, live=False)


def test_a_narrow_terminal_cuts_and_never_wraps(board: Board) -> None:
    board.put(job("runs", "processing", 1, progress={"percent": 50, "message": "word " * 50}))
    assert len(screen(board, width=80).splitlines()) == 4


def test_it_says_when_the_service_is_away(board: Board) -> None:
    board.connected(2.5)
    assert "trying again in 2.5 s" in screen(board)
