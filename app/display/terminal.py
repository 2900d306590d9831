"""A job in a terminal: a bar that moves, plain lines where nobody sees it move, JSON lines for programs.

What they say comes from `sentences.py`, where the bar is from `standing.py`.
"""

from types import TracebackType
from typing import Any, Protocol, Self

import typer
from pydantic_core import to_json
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.text import Text

from app.display.sentences import away, batch_standing, clean, percent_of, told
from app.display.standing import Standing

Json = dict[str, Any]


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

    def __init__(self, *, stderr: bool = False) -> None:
        self._stderr = stderr
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
        self._say(line_of(event))

    def away(self, seconds: float) -> None:
        if seconds:
            typer.echo(away(seconds), err=True)

    def _say(self, line: str | bytes) -> None:
        typer.echo(line, err=self._stderr)


class JsonLines(Lines):
    """Every event as it came, one a line."""

    def show(self, event: Json) -> None:
        self._say(to_json(event))


class FeedLines(Lines):
    """A line for every event of any job."""

    def show(self, event: Json) -> None:
        self._say(clean(f"{event['job_id']}  {line_of(event)}"))


class BatchLines(Lines):
    """A line for each event of a batch that says something new."""

    def __init__(self) -> None:
        super().__init__()
        self._said = ""

    def show(self, event: Json) -> None:
        before, self._said = self._said, batch_standing(event["data"])
        if before != self._said:
            self._say(f"{event['at']}  {self._said}")


class Bar:
    """One bar at the bottom; logs and what a handler emits go above it."""

    def __init__(self, console: Console) -> None:
        self._standing = Standing()
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
        self._standing.left = ""
        self._draw()
        self._progress.stop()

    def show(self, event: Json) -> None:
        line = self._standing.take(event)
        if line:
            self._progress.console.print(Text(line), soft_wrap=True)
        self._draw()

    def away(self, seconds: float) -> None:
        self._standing.away(seconds)
        self._draw()

    def _draw(self) -> None:
        now = self._standing
        self._progress.update(
            self._task,
            description=now.status,
            total=None if now.percent is None else 100,
            completed=now.percent or 0,
            percent=now.percent_text,
            message=now.message,
            left=now.left,
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


def line_of(event: Json) -> str:
    """When, what, and what it says beyond that."""
    return clean(f"{event['at']}  {event['type']}  {told(event)}").rstrip()
