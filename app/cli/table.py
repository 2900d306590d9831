"""The table of `tidings top`: a board drawn for people."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from app.bar import duration
from app.cli.board import Board
from app.display.sentences import away, clean, left, percent_of, status_of
from app.jobs import TERMINAL

Json = dict[str, Any]

BAR_CELLS: Final = 16
COLOURS: Final = {"processing": "cyan", "completed": "green", "failed": "red", "cancelled": "yellow"}


def drawn(board: Board, most: int | None, *, live: bool = True) -> RenderableType:
    """Counts, then as many jobs as there is room for."""
    table = Table(box=None, pad_edge=False, expand=live, header_style="bold")
    for name in ("JOB", "KIND", "STATUS"):
        table.add_column(name, no_wrap=True)
    table.add_column("PROGRESS", no_wrap=True, width=BAR_CELLS)
    table.add_column("", no_wrap=True, justify="right", width=5)
    table.add_column("TIME", no_wrap=True, justify="right")
    table.add_column("", no_wrap=True, overflow="ellipsis", ratio=1 if live else None)
    now, rows = datetime.now(UTC), board.rows()
    for job in rows[:most]:
        table.add_row(*_cells(job, now))
    rest = len(rows) - len(rows[:most])
    foot = [Text(f"… {rest} more", style="dim")] if rest else []
    return Group(Text(_head(board, live=live), style="bold", no_wrap=True), Text(), table, *foot)


def _head(board: Board, *, live: bool) -> str:
    counts = board.counts
    words = [
        f"{counts['processing']} running",
        f"{counts['pending']} pending",
        f"{sum(counts[status] for status in TERMINAL)} ended",
    ]
    if live:
        words += [f"{board.ended_per_minute:.0f} a minute", away(board.away) if board.away else "q ends"]
    return "   ".join(words)


def _cells(job: Json, now: datetime) -> Iterator[RenderableType]:
    status, progress = job["status"], job.get("progress") or {}
    percent = 100.0 if status == "completed" else float(progress.get("percent") or 0)
    yield Text(job["job_id"], style="dim")
    yield Text(clean(job["kind"]))
    yield Text(status_of(job), style=COLOURS.get(status, ""))
    yield ProgressBar(total=100, completed=percent, width=BAR_CELLS) if percent else Text()
    yield Text(percent_of({"percent": percent}) if percent else "")
    yield Text(_time(job, now))
    yield Text(clean(_words(job, progress)))


def _time(job: Json, now: datetime) -> str:
    """How long it has been running, or waiting, or took."""
    since = job.get("started_at") or (job["created_at"] if job["status"] == "pending" else None)
    if not since:
        return ""
    until = datetime.fromisoformat(job["finished_at"]) if job["status"] in TERMINAL else now
    return duration((until - datetime.fromisoformat(since)).total_seconds())


def _words(job: Json, progress: Json) -> str:
    if job["status"] == "failed":
        return str((job.get("error") or {}).get("message") or "")
    if job["status"] == "pending":
        return "" if job.get("position") is None else f"{job['position']} ahead"
    if job["status"] in TERMINAL:
        return ""
    return "  ".join(filter(None, (left({"eta_seconds": job.get("eta_seconds")}), str(progress.get("message") or ""))))
