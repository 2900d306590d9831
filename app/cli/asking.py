"""What commands share that ask a running service: where it is, how it is followed, and how its troubles end them."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console

from app.cli.arguments import ArgumentError
from app.cli.exits import ExitCode, settings_of, usage
from app.cli.sentences import complaint
from app.cli.terminal import Bar, Display, JsonLines, Lines
from app.client import Client, ClientError, NotCompleted

Json = dict[str, Any]

Url = Annotated[
    str,
    typer.Option(
        "--url", envvar="TIDINGS_URL", help="Where Tidings runs; else http://127.0.0.1 and TIDINGS_PORT or 8000."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON: one object or event a line.")]
After = Annotated[int | None, typer.Option(min=0, help="Show the events after this seq; 0 shows all that are kept.")]


@contextmanager
def client_of(url: str) -> Iterator[Client]:
    """A client. What goes wrong with it, or with what it is to be asked, ends the command with words."""
    settings = settings_of({})
    try:
        client = Client(url or f"http://127.0.0.1:{settings.port}", api_key=settings.api_key.get_secret_value())
    except ValueError as error:
        usage(f"--url: {error}")
    try:
        with client:
            yield client
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
    if as_json:
        return JsonLines()
    console = Console()
    return Bar(console) if sys.stdout.isatty() and not console.is_dumb_terminal else Lines()
