"""The `tidings` command: three commands that serve (up, web, worker), others that ask a running service.

Here settings are read, once, and handed down. What serves is imported only when asked for: `app` must not import
`workers`, and asking should not wait for what only serving needs.
"""

from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from pydantic_core import to_json
from rich.console import Console
from rich.table import Table
from rich.text import Text

from app import __version__, logs
from app.cli.arguments import params_of
from app.cli.asking import ENDS, After, AsJson, Url, client_of, display_of, shown
from app.cli.batches import batches
from app.cli.exits import ExitCode, settings_of, usage
from app.cli.gather import gather
from app.cli.keys import keys
from app.cli.sentences import clean, ending
from app.cli.terminal import UploadBar
from app.client import Client

Host = Annotated[str | None, typer.Option(help="Address to listen on. [TIDINGS_HOST]", show_default=False)]
Port = Annotated[int | None, typer.Option(help="Port to listen on. [TIDINGS_PORT]", show_default=False)]
JobId = Annotated[str, typer.Argument(metavar="JOB_ID", show_default=False)]

app = typer.Typer(
    name="tidings",
    help="Submit a long job, get an answer at once, and be told how it goes.",
    epilog="Settings come from TIDINGS_* variables; an option wins over its variable. Ends with 0 completed or done, "
    "1 failed, 2 wrong usage, 3 cancelled, 4 refused or unreachable, 130 after Ctrl-C.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

webhooks = typer.Typer(help="What signs your webhooks.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(webhooks, name="webhooks")
app.add_typer(keys, name="keys")
app.add_typer(batches, name="batch")


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
            help="key=value, key:=json, key=@path to upload a file; @path or - for an object in a file or on stdin.",
            show_default=False,
        ),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Watch the job to its end.")] = False,
    tag: Annotated[list[str] | None, typer.Option("--tag", "-t", help="A tag; may be repeated.")] = None,
    as_json: AsJson = False,
    url: Url = "",
) -> NoReturn:
    """Submit a job and print its id, or with --follow watch it, to end as it does.

    Example: tidings submit transcode input=@clip.mov height=720 --follow
    """
    with client_of(url) as client:
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
    after: After = None,
    as_json: AsJson = False,
    url: Url = "",
) -> NoReturn:
    """Watch a job to its end.

    Exits with 0 completed, 1 failed, 3 cancelled, 4 refused or unreachable, 130 after Ctrl-C, which leaves the job be.
    """
    with client_of(url) as client:
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
    with client_of(url) as client:
        job = client.cancel(job_id, reason)
    standing = "cancelling" if job["status"] not in ENDS else job["status"]
    typer.echo(to_json(job) if as_json else standing)


@app.command()
def retry(job_id: JobId, as_json: AsJson = False, url: Url = "") -> None:
    """Run a job that failed or was cancelled again."""
    with client_of(url) as client:
        job = client.retry(job_id)
    typer.echo(to_json(job) if as_json else job["status"])


@app.command()
def jobs(  # noqa: PLR0917  typer calls it by name
    status: Annotated[str, typer.Option(help="Only those that stand so.")] = "",
    kind: Annotated[str, typer.Option(help="Only those of that kind.")] = "",
    tag: Annotated[str, typer.Option("--tag", "-t", help="Only those with that tag.")] = "",
    batch_id: Annotated[str, typer.Option("--batch", help="Only those of that batch.")] = "",
    most: Annotated[int, typer.Option("--most", "-n", min=1, help="How many at most.")] = 20,
    as_json: AsJson = False,
    url: Url = "",
) -> None:
    """List jobs, the newest first."""
    asked = {"status": status, "kind": kind, "tag": tag, "batch_id": batch_id}
    with client_of(url) as client:
        for job in islice(client.jobs(**{name: value for name, value in asked.items() if value}), most):
            words = (job["job_id"], job["status"], job["kind"], job["created_at"])
            typer.echo(to_json(job) if as_json else clean("  ".join(words)))


@app.command()
def result(
    job_id: JobId,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Put the file it made there.", show_default=False)
    ] = None,
    artifact: Annotated[str, typer.Option(help="Which file, if not the main one.")] = "",
    url: Url = "",
) -> None:
    """Wait for a job's end, and print what it returned as JSON, or with --output put a file it made somewhere.

    Exits with 0 completed, 1 failed, 3 cancelled.
    """
    with client_of(url) as client:
        if output is None:
            typer.echo(to_json(client.result(job_id), indent=2))
            return
        try:
            client.download(job_id, output, artifact)
        except OSError as error:
            usage(f"--output: {error}")
    typer.echo(output)


@app.command()
def upload(
    path: Annotated[Path, typer.Argument(metavar="PATH", exists=True, dir_okay=False, show_default=False)],
    as_json: AsJson = False,
    url: Url = "",
) -> None:
    """Upload a file and print what to say for it in params. What breaks off is gone on with."""
    with client_of(url) as client, UploadBar(path.name) as bar:
        uploaded = client.upload(path, bar.show)
    typer.echo(to_json(uploaded) if as_json else uploaded["input"])


@app.command()
def kinds(as_json: AsJson = False, url: Url = "") -> None:
    """List what can be submitted, with its params."""
    with client_of(url) as client:
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
    with client_of(url) as client:
        typer.echo(client.webhook_secret())


def _serve(module: str, name: str, **options: object) -> NoReturn:
    settings = settings_of({option: value for option, value in options.items() if value is not None})
    try:
        logs.configure(settings.log_level)
    except ValueError as error:
        usage(f"TIDINGS_LOG_LEVEL: {error}")
    raise typer.Exit(getattr(import_module(module), name)(settings))


def _follow(client: Client, job_id: str, after: int | None, *, as_json: bool) -> int:
    """Show the job to its end; answers the exit code."""
    display = display_of(as_json)
    commands = (f"tidings watch {job_id}", f"tidings cancel {job_id}")
    if not shown(lambda on_away: client.follow(job_id, after, on_away), display, *commands):
        return ExitCode.DETACHED
    job = client.job(job_id)
    if not as_json:
        for line in ending(job, client.absolute):
            typer.echo(line)
    return ENDS.get(job["status"], ExitCode.REFUSED)
