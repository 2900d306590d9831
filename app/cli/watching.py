"""`tidings watch` and `tidings feed`: one job to its end, or all of them without one."""

from contextlib import suppress
from typing import Annotated, NoReturn

import typer

from app.cli.asking import ENDS, After, AsJson, JobId, Url, client_of, display_of, given, shown
from app.cli.completion import kind_names
from app.cli.exits import ExitCode
from app.client import Client
from app.display import FeedLines, JsonLines
from app.display.sentences import ending
from app.jobs import STATUSES

Status = Annotated[
    list[str] | None,
    typer.Option(
        "--status", help="Only those that stand so; may be repeated.", autocompletion=lambda: sorted(STATUSES)
    ),
]
Kinds = Annotated[
    list[str] | None,
    typer.Option("--kind", help="Only those of that kind; may be repeated.", autocompletion=kind_names),
]
Tags = Annotated[list[str] | None, typer.Option("--tag", "-t", help="Only those with that tag; may be repeated.")]


def watch(job_id: JobId, after: After = None, as_json: AsJson = False, url: Url = "") -> NoReturn:
    """Watch a job to its end.

    Exits with 0 completed, 1 failed, 3 cancelled, 4 refused or unreachable, 130 after Ctrl-C, which leaves the job be.
    """
    with client_of(url) as client:
        code = follow_job(client, job_id, after, as_json=as_json)
    raise typer.Exit(code)


def feed(
    status: Status = None, kind: Kinds = None, tag: Tags = None, as_json: AsJson = False, url: Url = ""
) -> NoReturn:
    """Tell what happens to all jobs, until Ctrl-C."""
    lines = JsonLines() if as_json else FeedLines()
    with client_of(url) as client, suppress(KeyboardInterrupt):
        for event in client.feed(lines.away, **given(status=status, kind=kind, tag=tag)):
            lines.show(event)
    raise typer.Exit(ExitCode.DETACHED)


def follow_job(client: Client, job_id: str, after: int | None, *, as_json: bool) -> int:
    """Show the job to its end; answers the exit code."""
    commands = (f"tidings watch {job_id}", f"tidings cancel {job_id}")
    if not shown(lambda on_away: client.follow(job_id, after, on_away), display_of(as_json), *commands):
        return ExitCode.DETACHED
    job = client.job(job_id)
    if not as_json:
        for line in ending(job, client.absolute):
            typer.echo(line)
    return ENDS.get(job["status"], ExitCode.REFUSED)
