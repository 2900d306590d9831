"""What commands share that ask a running service: where it is, how answers are printed, and how troubles end them."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, TypeVar

import typer
from pydantic_core import to_json

from app.cli.arguments import ArgumentError
from app.cli.complaints import complaint
from app.cli.completion import batch_ids, job_ids
from app.cli.exits import ExitCode, settings_of, usage
from app.client import Client, ClientError, NotCompleted
from app.display import Display, JsonLines, display
from app.display.sentences import clean

Json = dict[str, Any]
T = TypeVar("T")

Url = Annotated[
    str,
    typer.Option(
        "--url", envvar="TIDINGS_URL", help="Where Tidings runs; else http://127.0.0.1 and TIDINGS_PORT or 8000."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON: one object or event a line.")]
After = Annotated[int | None, typer.Option(min=0, help="Show the events after this seq; 0 shows all that are kept.")]
JobId = Annotated[str, typer.Argument(metavar="JOB_ID", show_default=False, autocompletion=job_ids)]
BatchId = Annotated[str, typer.Argument(metavar="BATCH_ID", show_default=False, autocompletion=batch_ids)]


@contextmanager
def client_of(url: str) -> Iterator[Client]:
    """A client. What goes wrong with it, or with what it is to be asked, ends the command with words."""
    with troubles(), reach(Client, url) as client:
        yield client


@contextmanager
def troubles() -> Iterator[None]:
    """What goes wrong with the service ends the command with words, and the next thing to try."""
    try:
        yield
    except ArgumentError as error:
        usage(str(error))
    except ClientError as error:
        for line in complaint(error):
            typer.echo(line, err=True)
        raise typer.Exit(ExitCode.REFUSED) from error
    except NotCompleted as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(ENDS[error.job["status"]]) from error


ENDS = {"completed": ExitCode.COMPLETED, "failed": ExitCode.FAILED, "cancelled": ExitCode.CANCELLED}


def reach(face: Callable[..., T], url: str) -> T:
    """A client of this face. If no URL is given, the service is on this machine; one that is none ends the command."""
    settings = settings_of({})
    try:
        return face(url or f"http://127.0.0.1:{settings.port}", api_key=settings.api_key.get_secret_value())
    except ValueError as error:
        usage(f"--url: {error}")


def given(**options: Any) -> Json:
    """Those that were given."""
    return {name: value for name, value in options.items() if value not in (None, "", [])}


def say(answer: Any, *lines: str, as_json: bool) -> None:
    """Print an answer, or what it comes to in words."""
    for line in [to_json(answer)] if as_json else map(clean, lines):
        typer.echo(line)


def say_all(answers: Iterable[Json], columns: Sequence[str], *, as_json: bool) -> None:
    """Print a list: objects one a line, or columns as wide as they have to be. Their names are for people to read."""
    if as_json:
        for answer in answers:
            typer.echo(to_json(answer))
        return
    rows = [[column.replace("_", " ").upper() for column in columns]] if sys.stdout.isatty() else []
    rows += [[clean(_cell(answer.get(column))) for column in columns] for answer in answers]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        typer.echo("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


def _cell(value: Any) -> str:
    match value:
        case None | False:
            return ""
        case True:
            return "yes"
        case list():
            return ",".join(map(str, value))
    return str(value)


def shown(follow: Callable[[Callable[[float], None]], Iterable[Json]], display: Display, *next_commands: str) -> bool:
    """Show all events there are; whether there was an end, as Ctrl-C leaves what is watched be."""
    try:
        with display:
            for event in follow(display.away):
                display.show(event)
    except KeyboardInterrupt:
        typer.echo("\nIt goes on; to watch it again, or to stop it:", err=True)
        for command in next_commands:
            typer.echo(f"  {command}", err=True)
        return False
    return True


def display_of(as_json: bool) -> Display:
    """JSON for programs, a bar where somebody sees it move, else lines."""
    return JsonLines() if as_json else display()
