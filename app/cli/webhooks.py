"""`tidings deliveries` and `tidings webhooks`: what became of webhooks, sending them again, and what signs them."""

from typing import Annotated, Final

import typer

from app.cli.asking import AsJson, Url, client_of, say, say_all
from app.cli.completion import batch_ids, job_ids
from app.cli.exits import usage

DELIVERY: Final = ("n", "event", "status", "attempt", "http_status", "next_at", "url", "error")
SECRET: Final = ("secret_id", "created_at", "secret")
SHOWN_ONCE: Final = "Keep it: it is not shown again."

Subject = Annotated[str, typer.Argument(metavar="[JOB_ID]", show_default=False, autocompletion=job_ids)]
Batch = Annotated[
    str, typer.Option("--batch", metavar="BATCH_ID", help="A batch's, not a job's.", autocompletion=batch_ids)
]

deliveries = typer.Typer(help="What became of webhooks.", no_args_is_help=True, rich_markup_mode=None)
webhooks = typer.Typer(help="What signs your webhooks.", no_args_is_help=True, rich_markup_mode=None)


@deliveries.command("list")
def list_deliveries(job_id: Subject = "", batch_id: Batch = "", as_json: AsJson = False, url: Url = "") -> None:
    """List the webhooks of a job or a batch, the latest first."""
    _one_of(job_id, batch_id)
    with client_of(url) as client:
        say_all(client.deliveries(job_id, batch_id=batch_id), DELIVERY, as_json=as_json)


@deliveries.command()
def redeliver(  # noqa: PLR0917  typer calls it by name
    job_id: Subject = "",
    n: Annotated[int, typer.Option("-n", min=1, help="Which, as they are listed.")] = 1,
    batch_id: Batch = "",
    failed: Annotated[bool, typer.Option("--failed", help="All of yours that have failed.")] = False,
    as_json: AsJson = False,
    url: Url = "",
) -> None:
    """Send a webhook of a job or a batch again, or with --failed all that have failed."""
    if failed == bool(job_id or batch_id):
        usage("Say which: JOB_ID, --batch BATCH_ID or --failed.")
    with client_of(url) as client:
        again = client.redeliver_failed() if failed else client.redeliver(n, job_id, batch_id=batch_id)
    more = "; there are more, so repeat it" if again["more"] else ""
    say(again, f"{again['redelivered']} sent again{more}", as_json=as_json)


@webhooks.command("secret")
def webhook_secret(as_json: AsJson = False, url: Url = "") -> None:
    """Print a secret that signs your webhooks: the one the service has made, else a new one beside the others."""
    with client_of(url) as client:
        secret = client.webhook_secret()
    say({"secret": secret}, secret, as_json=as_json)


@webhooks.command("list")
def list_secrets(as_json: AsJson = False, url: Url = "") -> None:
    """List your secrets; only the one that the service has made is shown."""
    with client_of(url) as client:
        say_all(client.webhook_secrets(), SECRET, as_json=as_json)


@webhooks.command()
def create(as_json: AsJson = False, url: Url = "") -> None:
    """Make a secret beside the others, and print it this once."""
    with client_of(url) as client:
        secret = client.create_webhook_secret()
    typer.echo(SHOWN_ONCE, err=True)
    say(secret, secret["secret"], as_json=as_json)


@webhooks.command()
def delete(
    secret_id: Annotated[str, typer.Argument(metavar="SECRET_ID", show_default=False)],
    as_json: AsJson = False,
    url: Url = "",
) -> None:
    """Have a secret sign no more."""
    with client_of(url) as client:
        client.delete_webhook_secret(secret_id)
    say({"secret_id": secret_id}, "deleted", as_json=as_json)


def _one_of(job_id: str, batch_id: str) -> None:
    if bool(job_id) == bool(batch_id):
        usage("Say which: JOB_ID or --batch BATCH_ID.")
