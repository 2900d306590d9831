"""`tidings kinds` and `tidings queues`: what there is, what waits, and holding it back."""

from typing import Annotated, Any, Final

import typer
from pydantic_core import to_json
from rich.console import Console
from rich.table import Table
from rich.text import Text

from app.cli.arguments import params_of
from app.cli.asking import AsJson, Url, client_of, say, say_all
from app.cli.completion import kind_names, queue_names
from app.display.sentences import clean

Json = dict[str, Any]

Kind = Annotated[str, typer.Argument(show_default=False, autocompletion=kind_names)]
Queue = Annotated[str, typer.Argument(show_default=False, autocompletion=queue_names)]
QUEUE: Final = ("queue", "waiting", "delayed", "running", "lag_seconds", "paused")

kinds = typer.Typer(help="What can be submitted.", rich_markup_mode=None)
queues = typer.Typer(help="What waits and runs.", rich_markup_mode=None)


@kinds.callback(invoke_without_command=True)
def list_kinds(context: typer.Context, as_json: AsJson = False, url: Url = "") -> None:
    """List what can be submitted, with its params; or hold a kind back."""
    if context.invoked_subcommand:
        return
    with client_of(url) as client:
        known = client.kinds()
    if as_json:
        typer.echo(to_json({"kinds": known}))
        return
    table = Table("KIND", "DESCRIPTION", "PARAMS", box=None, pad_edge=False, padding=(0, 2, 1, 0))
    for kind in known:
        lines = map(str, params_of(kind["params_schema"]).values())
        name = f"{kind['kind']} (paused)" if kind.get("paused") else kind["kind"]
        cells = clean(name), clean(kind["description"]), "\n".join(map(clean, lines))
        table.add_row(*map(Text, cells))
    Console().print(table)


@kinds.command("pause")
def pause_kind(kind: Kind, as_json: AsJson = False, url: Url = "") -> None:
    """Start no job of a kind; what runs goes on."""
    with client_of(url) as client:
        say(client.pause_kind(kind), "paused", as_json=as_json)


@kinds.command("resume")
def resume_kind(kind: Kind, as_json: AsJson = False, url: Url = "") -> None:
    """Start jobs of a kind again."""
    with client_of(url) as client:
        say(client.resume_kind(kind), "resumed", as_json=as_json)


@queues.callback(invoke_without_command=True)
def list_queues(context: typer.Context, as_json: AsJson = False, url: Url = "") -> None:
    """List what waits and runs in each queue; or hold one back."""
    if context.invoked_subcommand:
        return
    with client_of(url) as client:
        say_all(client.queues(), QUEUE, as_json=as_json)


@queues.command("pause")
def pause_queue(queue: Queue, as_json: AsJson = False, url: Url = "") -> None:
    """Start nothing in a queue; what runs goes on."""
    with client_of(url) as client:
        say(client.pause_queue(queue), "paused", as_json=as_json)


@queues.command("resume")
def resume_queue(queue: Queue, as_json: AsJson = False, url: Url = "") -> None:
    """Start jobs in a queue again."""
    with client_of(url) as client:
        say(client.resume_queue(queue), "resumed", as_json=as_json)
