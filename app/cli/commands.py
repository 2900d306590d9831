"""The `tidings` command: three commands that serve (up, web, worker), others that ask a running service.

Here settings are read, once, and handed down. What serves is imported only when asked for: `app` must not import
`workers`, and asking should not wait for what only serving needs.
"""

from importlib import import_module
from typing import Annotated, NoReturn

import typer

from app import __version__
from app.cli import files, jobs, operators, submission, top, watching
from app.cli.batches import batches
from app.cli.completion import completion
from app.cli.exits import Commands, settings_of, usage
from app.cli.keys import keys
from app.cli.queues import kinds, queues
from app.cli.tokens import tokens
from app.cli.webhooks import deliveries, webhooks

Host = Annotated[str | None, typer.Option(help="Address to listen on. [TIDINGS_HOST]", show_default=False)]
Port = Annotated[int | None, typer.Option(help="Port to listen on. [TIDINGS_PORT]", show_default=False)]

app = typer.Typer(
    name="tidings",
    cls=Commands,
    help="Submit a long job, get an answer at once, and be told how it goes.",
    epilog="Settings come from TIDINGS_* variables; an option wins over its variable. Ends with 0 completed or done, "
    "1 failed, 2 wrong usage, 3 cancelled, 4 refused or unreachable, 130 after Ctrl-C, 141 when nobody reads on.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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


for command in (
    *(submission.submit, watching.watch, top.top, watching.feed),
    *(jobs.jobs, jobs.show, jobs.log, files.result),
    *(jobs.cancel, jobs.retry, jobs.suspend, jobs.resume, jobs.purge),
    *(operators.workers, operators.pollers),
    *(files.upload, completion),
):
    app.command()(command)

for group, name in (
    *((batches, "batch"), (kinds, "kinds"), (queues, "queues"), (deliveries, "deliveries")),
    *((webhooks, "webhooks"), (keys, "keys"), (tokens, "tokens")),
):
    app.add_typer(group, name=name)


def _serve(module: str, name: str, **options: object) -> NoReturn:
    from app import logs  # noqa: PLC0415  who only asks need not wait for it

    settings = settings_of({option: value for option, value in options.items() if value is not None})
    try:
        logs.configure(settings.log_level)
    except ValueError as error:
        usage(f"TIDINGS_LOG_LEVEL: {error}")
    raise typer.Exit(getattr(import_module(module), name)(settings))
