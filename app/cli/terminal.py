"""How the command line shows a job: a bar that moves, plain lines where nobody sees it move, JSON lines for programs.

Used by `app/cli`. What it says comes from `app/cli/sentences.py`.
"""

from types import TracebackType
from typing import Any, Final, Protocol, Self

import typer
from pydantic_core import to_json
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.text import Text

from app.cli.sentences import away, batch_standing, clean, left, percent_of, told

Json = dict[str, Any]

RUNNING: Final = frozenset({"pending", "processing"})
STATUSES: Final = RUNNING | {"completed", "failed", "cancelled"}


class Display(Protocol):
    """Is shown the events of one job, in order."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, event: Json) -> None:
        """Show an event."""

    def away(self, seconds: float) -> None:
        """Show that the service is away and sought again after so many seconds; 0 when it is back."""


class Lines:
    """A line for every event, and for progress one per whole percent."""

    def __init__(self) -> None:
        self._percent = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, event: Json) -> None:
        if event["type"] == "progress":
            before, self._percent = self._percent, percent_of(event["data"])
            if before == self._percent:
                return
        typer.echo(clean(f"{event['at']}  {event['type']}  {told(event)}").rstrip())

    def away(self, seconds: float) -> None:
        if seconds:
            typer.echo(away(seconds), err=True)


class JsonLines(Lines):
    """Every event as it came, one a line."""

    def show(self, event: Json) -> None:
        typer.echo(to_json(event))


class BatchLines(Lines):
    """A line for each event of a batch that says something new."""

    def __init__(self) -> None:
        super().__init__()
        self._said = ""

    def show(self, event: Json) -> None:
        before, self._said = self._said, batch_standing(event["data"])
        if before != self._said:
            typer.echo(f"{event['at']}  {self._said}")


class Bar:
    """One bar at the bottom; logs and what a handler emits go above it."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            *(TextColumn("{task.description}", markup=False), BarColumn()),
            *(TextColumn(f"{{task.fields[{field}]}}", markup=False) for field in ("percent", "message", "left")),
            console=console,
        )
        self._task = self._progress.add_task("pending", total=None, percent="", message="", left="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.update(self._task, left="")
        self._progress.stop()

    def show(self, event: Json) -> None:
        type_, data = event["type"], event["data"]
        if type_ == "snapshot":
            self._become(data["status"])
            self._move(data.get("progress") or {})
        elif type_ in STATUSES:
            self._become(type_, told(event))
        elif type_ == "progress":
            self._move(data)
        elif type_ in {"waiting", "cancel_requested"}:
            self._progress.update(self._task, description=type_.replace("_", " "), message=told(event), left="")
        else:
            said = told(event) if type_ == "log" else clean(f"{type_}: {told(event)}")
            self._progress.console.print(Text(said), soft_wrap=True)

    def away(self, seconds: float) -> None:
        self._progress.update(self._task, left=away(seconds) if seconds else "")

    def _become(self, status: str, message: str = "") -> None:
        """A new attempt starts from nothing; a completed job is full, any other end leaves the bar where it was."""
        self._progress.update(self._task, description=status, message=message, left="")
        if status in RUNNING:
            self._progress.update(self._task, completed=0, percent="")
        elif status == "completed":
            self._progress.update(self._task, total=100, completed=100, percent="100 %")

    def _move(self, progress: Json) -> None:
        if "percent" not in progress:
            return
        self._progress.update(
            self._task,
            total=100,
            completed=float(progress["percent"]),
            percent=percent_of(progress),
            message=clean(str(progress.get("message") or "")),
            left=left(progress),
        )


class UploadBar:
    """Bytes on their way, shown on stderr so that stdout holds nothing but what was asked for."""

    def __init__(self, name: str) -> None:
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        console = Console(stderr=True)
        self._progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._progress.add_task(clean(f"uploading {name}"), total=None)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, sent: int, total: int) -> None:
        """Bytes sent, and bytes in all."""
        self._progress.update(self._task, completed=sent, total=total)
