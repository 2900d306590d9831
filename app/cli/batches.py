"""`tidings batch`: many jobs at once, from a file or stdin."""

from collections.abc import Iterator
from typing import Annotated, Any, Final, NoReturn

import typer
from pydantic_core import from_json

from app.cli.arguments import ArgumentError
from app.cli.asking import After, AsJson, BatchId, Url, client_of, given, say, shown
from app.cli.completion import kind_names
from app.cli.exits import ExitCode
from app.cli.gather import text_of
from app.client import Client
from app.display import BatchLines, JsonLines
from app.display.sentences import batch_standing

Json = dict[str, Any]

MOST_BYTES: Final = 256 << 20

batches = typer.Typer(help="Many jobs at once.", no_args_is_help=True, rich_markup_mode=None)


@batches.command()
def submit(  # noqa: PLR0917  typer calls it by name
    source: Annotated[
        str, typer.Argument(metavar="PATH", help="JSON lines, or a JSON array; - reads stdin.", show_default=False)
    ] = "-",
    kind: Annotated[
        str, typer.Option(help="What all are; then each is its params alone.", autocompletion=kind_names)
    ] = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Watch it to the end of its last job.")] = False,
    tag: Annotated[list[str] | None, typer.Option("--tag", "-t", help="A tag of all; may be repeated.")] = None,
    callback_url: Annotated[str, typer.Option(metavar="URL", help="Where a webhook tells of its end.")] = "",
    idempotency_key: Annotated[str, typer.Option(metavar="KEY", help="The same key makes one batch.")] = "",
    as_json: AsJson = False,
    url: Url = "",
) -> NoReturn:
    """Submit many jobs, all or none, and print the batch's id.

    Each is {"kind", "params", ...}, or with --kind its params. Example: tidings batch submit jobs.jsonl --follow
    """
    with client_of(url) as client:
        jobs = list(jobs_of(text_of(source, MOST_BYTES), kind))
        more = given(tags=tag, callback_url=callback_url, idempotency_key=idempotency_key)
        batch = client.submit_batch(jobs, **more)
        if follow:
            raise typer.Exit(_follow(client, batch["batch_id"], 0, as_json=as_json))
    say(batch, batch["batch_id"], as_json=as_json)
    raise typer.Exit(ExitCode.COMPLETED)


@batches.command()
def show(batch_id: BatchId, as_json: AsJson = False, url: Url = "") -> None:
    """Say how a batch stands."""
    with client_of(url) as client:
        batch = client.batch(batch_id)
    say(batch, batch_standing(batch), as_json=as_json)


@batches.command()
def watch(batch_id: BatchId, after: After = None, as_json: AsJson = False, url: Url = "") -> NoReturn:
    """Watch a batch to the end of its last job.

    Exits with 0 when all have completed, 1 when one has failed, 3 when none has but one was cancelled.
    """
    with client_of(url) as client:
        raise typer.Exit(_follow(client, batch_id, after, as_json=as_json))


@batches.command()
def cancel(batch_id: BatchId, as_json: AsJson = False, url: Url = "") -> None:
    """Ask for all jobs of a batch to be stopped."""
    with client_of(url) as client:
        batch = client.cancel_batch(batch_id)
    say(batch, batch_standing(batch), as_json=as_json)


@batches.command()
def retry(batch_id: BatchId, as_json: AsJson = False, url: Url = "") -> None:
    """Run the failed jobs of a batch again."""
    with client_of(url) as client:
        batch = client.retry_batch(batch_id)
    say(batch, batch_standing(batch), as_json=as_json)


def jobs_of(text: bytes, kind: str) -> Iterator[Json]:
    """The jobs that a text lists, one a line or as one array. Raises ArgumentError."""
    array = text.lstrip().startswith(b"[")
    entries = _parsed(text, "the array") if array else _lines(text)
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, dict):
            raise ArgumentError(f"{'entry' if array else 'line'} {number}: not a JSON object")
        yield {"kind": kind, "params": entry} if kind else entry


def _lines(text: bytes) -> Iterator[Any]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            yield _parsed(line, f"line {number}")


def _parsed(text: bytes, where: str) -> Any:
    try:
        return from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise ArgumentError(f"{where}: not JSON: {error}") from error


def _follow(client: Client, batch_id: str, after: int | None, *, as_json: bool) -> int:
    display = JsonLines() if as_json else BatchLines()
    commands = (f"tidings batch watch {batch_id}", f"tidings batch cancel {batch_id}")
    if not shown(lambda on_away: client.follow_batch(batch_id, after, on_away), display, *commands):
        return ExitCode.DETACHED
    counts = client.batch(batch_id)["counts"]
    if counts["failed"]:
        return ExitCode.FAILED
    return ExitCode.CANCELLED if counts["cancelled"] else ExitCode.COMPLETED
