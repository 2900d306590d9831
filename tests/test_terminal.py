import io
import re

import pytest
from pydantic_core import from_json
from rich.console import Console

from app.display.terminal import Bar, Display, JsonLines, Lines
from tests.small_server import event

STORY = (
    event(1, "pending", reason="submitted"),
    event(2, "processing", attempt=1, worker="w"),
    event(3, "progress", percent=42.1, message="half [bold]way[/]", eta_seconds=12),
    event(4, "progress", percent=42.9),
    event(5, "log", level="info", line="[red]a log line[/] \x1b[2J"),
    event(6, "waiting", **{"for": "callback", "deadline": "soon"}),
    event(7, "metric", step=1),
    event(8, "completed", result=None),
)


def shown(display: Display) -> None:
    with display:
        for told in STORY:
            display.show(told)
        display.away(1.5)
        display.away(0)


@pytest.fixture
def screen() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def bar(screen: io.StringIO) -> Bar:
    return Bar(Console(file=screen, force_terminal=True, width=120, color_system=None))


def lines(screen: io.StringIO) -> list[str]:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue()).replace("\r", "\n").split("\n")


def test_lines_tell_every_event_once_and_progress_by_whole_percents(capsys: pytest.CaptureFixture[str]) -> None:
    shown(Lines())
    out, err = capsys.readouterr()
    assert [line.split()[1] for line in out.splitlines()] == [
        *("pending", "processing", "progress", "log", "waiting", "metric", "completed")
    ]
    assert "2026-11-23T18:04:03.000Z  progress   42 %  half [bold]way[/]  ETA 12 s" in out
    assert "\x1b" not in out
    assert "trying again in 1.5 s" in err


def test_json_lines_are_the_events(capsys: pytest.CaptureFixture[str]) -> None:
    shown(JsonLines())
    assert [from_json(line) for line in capsys.readouterr().out.splitlines()] == list(STORY)


def test_the_bar_shows_percent_message_and_time_left(bar: Bar, screen: io.StringIO) -> None:
    with bar:
        for told in STORY[:3]:
            bar.show(told)
    assert any("42 %" in line and "half [bold]way[/]" in line for line in lines(screen))


def test_logs_and_custom_events_go_above_the_bar_as_plain_text(bar: Bar, screen: io.StringIO) -> None:
    shown(bar)
    assert any(line.startswith("info: [red]a log line[/]  [2J") for line in lines(screen))
    assert any(line.startswith('metric: {"step":1}') for line in lines(screen))
    assert "\x1b[2J" not in screen.getvalue()


def test_a_completed_job_leaves_a_full_bar(bar: Bar, screen: io.StringIO) -> None:
    shown(bar)
    assert any("completed" in line and "100 %" in line for line in lines(screen))


def test_a_snapshot_puts_the_bar_where_the_job_is(bar: Bar, screen: io.StringIO) -> None:
    with bar:
        bar.show(event(5, "snapshot", status="processing", progress={"percent": 60, "message": "on"}))
    assert any("processing" in line and "60 %" in line for line in lines(screen))


def test_a_new_attempt_starts_from_nothing(bar: Bar, screen: io.StringIO) -> None:
    with bar:
        for told in (*STORY[:3], event(9, "pending", reason="retry")):
            bar.show(told)
    assert "42 %" not in lines(screen)[-2]
    assert any("pending" in line and "to be tried again" in line for line in lines(screen))
