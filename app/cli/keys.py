"""`tidings keys`: the API keys of this deployment, straight in its Redis, as the first has to come from somewhere."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict, astuple
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer

from app.auth.principal import Scope, is_owner
from app.cli.asking import AsJson, say, say_all
from app.cli.exits import ExitCode, settings_of, usage
from app.clock import rfc3339, rfc3339_or_none
from app.errors import StoreError, Unavailable
from app.limits import Bounds

if TYPE_CHECKING:
    from app.store import Key, KeyStore

T = TypeVar("T")

KEY: Final = ("id", "name", "scopes", "created_at", "used_at", "revoked_at")

SHOWN_ONCE: Final = "Keep it: it is not shown again. Clients send `Authorization: Bearer`; ours read TIDINGS_API_KEY."
DAY, MINUTE = len("2026-11-26"), len("2026-11-26T02:28")

keys = typer.Typer(help="API keys: who may do what.", no_args_is_help=True, rich_markup_mode=None)

Scopes = Annotated[str, typer.Option(help="What it is good for: some of submit, read, cancel, admin; comma-separated.")]


@keys.command()
def create(  # noqa: PLR0917  options
    name: Annotated[str, typer.Argument(help="The owner of what is submitted with it.", show_default=False)],
    scopes: Scopes = "submit,read,cancel",
    most_streams: Annotated[int, typer.Option(min=0, help="Open streams in one web process; 0: no bound.")] = 0,
    submits_per_minute: Annotated[int, typer.Option(min=0, help="Jobs it may submit; 0: as many as its owner.")] = 0,
    uploads_per_minute: Annotated[int, typer.Option(min=0, help="Uploads it may begin; 0: as many as its owner.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Make a key, and print it this once."""
    if not is_owner(name):
        usage("A name has 1 to 128 letters, digits and any of . _ @ + % -, and begins with a letter or a digit.")
    wanted, bounds = _scopes(scopes), Bounds(most_streams, submits_per_minute, uploads_per_minute)
    key, text = _kept(lambda store: store.create(name, wanted, bounds))
    typer.echo(SHOWN_ONCE, err=True)
    say(_shown(key) | {"key": text}, text, as_json=as_json)


@keys.command("list")
def list_keys(as_json: AsJson = False) -> None:
    """List the keys, without what is secret of them."""
    say_all(map(_shown, _kept(lambda store: store.all())), KEY, as_json=as_json)


@keys.command()
def revoke(
    key: Annotated[str, typer.Argument(help="Its id; or a name, for all keys of that name.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Make keys worthless from the next second on; their streams end within seconds."""
    revoked = _kept(lambda store: store.revoke(key))
    for one in revoked:
        say(_shown(one), f"revoked {one.key_id} of {one.name}", as_json=as_json)
    if not revoked:
        typer.echo("There is no such key; `tidings keys list` shows them.", err=True)
        raise typer.Exit(ExitCode.FAILED)


def _kept(ask: "Callable[[KeyStore], Awaitable[T]]") -> T:
    """What the store answers. Where it does not, the command ends with words."""

    async def asked() -> T:
        from app.store import KeyStore  # noqa: PLC0415  other commands need not wait for Redis's client

        async with KeyStore.opened(settings_of({})) as store:
            return await ask(store)

    try:
        return asyncio.run(asked())
    except Unavailable:
        typer.echo("No answer from Redis, where the keys are kept.", err=True)
        typer.echo("Is Tidings running? `tidings up` brings its own; TIDINGS_REDIS_URL names another.", err=True)
    except StoreError as error:
        typer.echo(str(error), err=True)
    raise typer.Exit(ExitCode.REFUSED)


def _scopes(words: str) -> frozenset[Scope]:
    try:
        return frozenset(Scope(word.strip()) for word in words.split(",") if word.strip())
    except ValueError:
        usage(f"--scopes: some of {', '.join(Scope)}")


def _may(key: "Key") -> str:
    """Its scopes, and its bounds in lines of their own."""
    bounds = zip(("streams", "jobs/min", "uploads/min"), astuple(key.bounds), strict=True)
    lines = [f"{bound} {of_what}" for of_what, bound in bounds if bound]
    return "\n".join([" ".join(scope for scope in Scope if scope in key.scopes), *lines])


def _shown(key: "Key") -> dict[str, Any]:
    return {
        "id": key.key_id,
        "name": key.name,
        "scopes": [scope for scope in Scope if scope in key.scopes],
        **asdict(key.bounds),
        "created_at": rfc3339(key.created_at),
        "used_at": rfc3339_or_none(key.used_at),
        "revoked_at": rfc3339_or_none(key.revoked_at),
    }
