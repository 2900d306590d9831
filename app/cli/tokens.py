"""`tidings tokens`: short-lived tokens for browsers, made by the service with the key we show it."""

from typing import Annotated

import typer

from app.cli.asking import AsJson, Url, client_of, given, say
from app.cli.completion import batch_ids, job_ids, kind_names

tokens = typer.Typer(help="Short-lived tokens for browsers.", no_args_is_help=True, rich_markup_mode=None)


@tokens.callback()
def _tokens() -> None:
    pass


@tokens.command()
def create(  # noqa: PLR0917  typer calls it by name
    scope: Annotated[str, typer.Option(help="read, cancel or submit.")] = "read",
    job: Annotated[
        list[str] | None, typer.Option("--job", help="A job it reaches; may be repeated.", autocompletion=job_ids)
    ] = None,
    tag: Annotated[str, typer.Option("--tag", "-t", help="Or all jobs with that tag.")] = "",
    batch_id: Annotated[str, typer.Option("--batch", help="Or a batch.", autocompletion=batch_ids)] = "",
    feed: Annotated[bool, typer.Option("--feed", help="Or all jobs.")] = False,
    owner: Annotated[str, typer.Option(help="With --feed, for operators: `*` for those of all owners.")] = "",
    kind: Annotated[str, typer.Option(help="To submit: one job of that kind.", autocompletion=kind_names)] = "",
    ttl: Annotated[float | None, typer.Option(min=1, metavar="SECONDS", help="How long it lives; else 900.")] = None,
    as_json: AsJson = False,
    url: Url = "",
) -> None:
    """Make a token that reaches what is named, and print it."""
    reach = given(jobs=job, tag=tag, batch_id=batch_id, owner=owner, kind=kind, ttl_seconds=ttl)
    with client_of(url) as client:
        token = client.create_token(scope, feed=feed, **reach)
    say(token, token["token"], as_json=as_json)
