"""The `tidings` command: three commands that serve (up, web, worker), others that ask a running service.

Here settings are read, once, and handed down. What serves is imported only when asked for: `app` must not import
`workers`, and asking should not wait for what only serving needs.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Annotated, Final, NoReturn

import typer
from pydantic_core import to_json
from rich.console import Console
from rich.table import Table
from rich.text import Text

from app import __version__, logs
from app.cli.arguments import ArgumentError, params_of
from app.cli.exits import ExitCode, settings_of, usage
from app.cli.gather import gather
from app.cli.keys import keys
from app.cli.sentences import clean, complaint, ending
from app.cli.terminal import Bar, Display, JsonLines, Lines
from app.client import Client, ClientError

ENDS: Final = {"completed": ExitCode.COMPLETED, "failed": ExitCode.FAILED, "cancelled": ExitCode.CANCELLED}

Host = Annotated[str | None, typer.Option(help="Address to listen on. [TIDINGS_HOST]", show_default=False)]
Port = Annotated[int | None, typer.Option(help="Port to listen on. [TIDINGS_PORT]", show_default=False)]
Url = Annotated[
    str,
    typer.Option(
        "--url", envvar="TIDINGS_URL", help="Where Tidings runs; else http://127.0.0.1 and TIDINGS_PORT or 8000."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON: one object or event a line.")]
JobId = Annotated[str, typer.Argument(metavar="JOB_ID", show_default=False)]

app = typer.Typer(
    name="tidings",
    help="Submit a long job, get an answer at once, and be told how it goes.",
    epilog="Settings come from TIDINGS_* variables; an option wins over its variable.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

webhooks = typer.Typer(help="What signs your webhooks.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(webhooks, name="webhooks")
app.add_typer(keys, name="keys")


def main() -> None:
    """The console entry point."""
    app(prog_name="tidings")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tidings {__version__}")
        raise typer.Exit


@app.callback()
def _tidings(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which.")] = False,
) -> None:
    pass


@app.command()
def up(host: Host = None, port: Port = None) -> NoReturn:
    """Run everything until Ctrl-C: Valkey, web and a worker."""
    _serve("app.processes.supervisor", "up", host=host, port=port)


@app.command()
def web(host: Host = None, port: Port = None) -> NoReturn:
    """Run one web process: API, streams and the page."""
    _serve("app.main", "serve", host=host, port=port)


@app.command()
def worker(
    queues: Annotated[
        str | None, typer.Option(help="Queues to serve, most urgent first, comma-separated. [TIDINGS_QUEUES]")
    ] = None,
    concurrency: Annotated[int | None, typer.Option(help="Jobs to run at once. [TIDINGS_CONCURRENCY]")] = None,
) -> NoReturn:
    """Run one worker."""
    _serve("workers.main", "main", queues=queues, concurrency=concurrency)


@app.command()
def submit(  # noqa: PLR0917  typer calls it by name
    kind: Annotated[str, typer.Argument(help="What is to be done; `tidings kinds` lists them.", show_default=False)],
    params: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=VALUE",
            help="key=value, key:=json, key=@path to upload a file; - reads a JSON object from stdin.",
            show_default=False,
        ),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Watch the job to its end.")] = False,
    tag: Annotated[list[str] | None, typer.Option("--tag", "-t", help="A tag; may be repeated.")] = None,
    as_json: AsJson = False,
    url: Url = "",
) -> NoReturn:
    """Submit a job and print its id, or with --follow watch it.

    Example: tidings submit transcode input=@clip.mov height=720 --follow
    """
    with _client(url) as client:
        job = client.submit(kind, gather(client, kind, params or []), tags=tag or [])
        if follow:
            # Everything since the submission, so that no early log line is missed.
            code = _follow(client, job["job_id"], 0, as_json=as_json)
            raise typer.Exit(code)
    typer.echo(to_json(job) if as_json else job["job_id"])
    typer.echo(f"`tidings watch {job['job_id']}` watches it.", err=True)
    raise typer.Exit(ExitCode.COMPLETED)


@app.command()
def watch(
    job_id: JobId,
    after: Annotated[
        int | None, typer.Option(min=0, help="Show the events after this seq; 0 shows all that are kept.")
    ] = None,
    as_json: AsJson = False,
    url: Url = "",
) -> NoReturn:
    """Watch a job to its end.

    Exits with 0 completed, 1 failed, 3 cancelled, 4 refused or unreachable, 130 after Ctrl-C, which leaves the job be.
    """
    with _client(url) as client:
        code = _follow(client, job_id, after, as_json=as_json)
    raise typer.Exit(code)


@app.command()
def cancel(
    job_id: JobId,
    reason: Annotated[str, typer.Option(help="Why; shown with the job.")] = "",
    as_json: AsJson = False,
    url: Url = "",
) -> None:
    """Ask for a job to be stopped. It is cancelled once it really has."""
    with _client(url) as client:
        job = client.cancel(job_id, reason)
    standing = "cancelling" if job["status"] not in ENDS else job["status"]
    typer.echo(to_json(job) if as_json else standing)


@app.command()
def kinds(as_json: AsJson = False, url: Url = "") -> None:
    """List what can be submitted, with its params."""
    with _client(url) as client:
        known = client.kinds()
    if as_json:
        typer.echo(to_json({"kinds": known}))
        return
    table = Table("KIND", "DESCRIPTION", "PARAMS", box=None, pad_edge=False, padding=(0, 2, 1, 0))
    for kind in known:
        lines = map(str, params_of(kind["params_schema"]).values())
        cells = clean(kind["kind"]), clean(kind["description"]), "\n".join(map(clean, lines))
        table.add_row(*map(Text, cells))
    Console().print(table)


@webhooks.command("secret")
def webhook_secret(url: Url = "") -> None:
    """Print a secret that signs your webhooks: the one the service has made, else a new one beside the others."""
    with _client(url) as client:
        typer.echo(client.webhook_secret())


def _serve(module: str, name: str, **options: object) -> NoReturn:
    settings = settings_of({option: value for option, value in options.items() if value is not None})
    try:
        logs.configure(settings.log_level)
    except ValueError as error:
        usage(f"TIDINGS_LOG_LEVEL: {error}")
    raise typer.Exit(getattr(import_module(module), name)(settings))


@contextmanager
def _client(url: str) -> Iterator[Client]:
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


def _follow(client: Client, job_id: str, after: int | None, *, as_json: bool) -> int:
    """Show the job to its end; answers the exit code."""
    try:
        with _display(as_json) as display:
            for event in client.follow(job_id, after, display.away):
                display.show(event)
        job = client.job(job_id)
    except KeyboardInterrupt:
        typer.echo("\nThe job goes on; to watch it again, or to stop it:", err=True)
        typer.echo(f"  tidings watch {job_id}\n  tidings cancel {job_id}", err=True)
        return ExitCode.DETACHED
    if not as_json:
        for line in ending(job, client.absolute):
            typer.echo(line)
    return ENDS.get(job["status"], ExitCode.REFUSED)


def _display(as_json: bool) -> Display:
    if as_json:
        return JsonLines()
    console = Console()
    return Bar(console) if sys.stdout.isatty() and not console.is_dumb_terminal else Lines()
