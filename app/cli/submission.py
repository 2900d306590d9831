"""`tidings submit`: one job, with all that a submission may say."""

from typing import Annotated, Any, NoReturn

import typer

from app.cli.arguments import ArgumentError
from app.cli.asking import AsJson, Url, client_of, given, say
from app.cli.completion import kind_names
from app.cli.exits import ExitCode
from app.cli.gather import gather, unknown_kind
from app.cli.watching import follow_job
from app.client import Client, Refused
from app.errors import UnknownKind

Json = dict[str, Any]

Kind = Annotated[
    str,
    typer.Argument(
        help="What is to be done; `tidings kinds` lists them.", show_default=False, autocompletion=kind_names
    ),
]
Params = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="KEY=VALUE",
        help="key=value, key:=json, key=@path to upload a file; @path or - for an object in a file or on stdin.",
        show_default=False,
    ),
]
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Watch the job to its end.")]
Tags = Annotated[list[str] | None, typer.Option("--tag", "-t", help="A tag; may be repeated.")]
Metadata = Annotated[
    list[str] | None, typer.Option("--metadata", metavar="NAME=VALUE", help="To find it by; may be repeated.")
]
Priority = Annotated[int | None, typer.Option(min=0, max=9, help="Higher comes first.")]
Delay = Annotated[float | None, typer.Option(min=0, metavar="SECONDS", help="Not to begin before so long from now.")]
RunAt = Annotated[str, typer.Option(metavar="TIME", help="Not to begin before: RFC 3339 with an offset.")]
StartWithin = Annotated[float | None, typer.Option(metavar="SECONDS", help="Begun by then, or failed.")]
Timeout = Annotated[float | None, typer.Option(metavar="SECONDS", help="How long one attempt may take.")]
Attempts = Annotated[int | None, typer.Option("--max-attempts", min=1, help="How often it may be tried.")]
ResultTtl = Annotated[int | None, typer.Option(metavar="SECONDS", help="How long its result is kept.")]
CallbackUrl = Annotated[str, typer.Option(metavar="URL", help="Where webhooks tell of it.")]
CallbackEvents = Annotated[
    list[str] | None, typer.Option("--callback-event", help="An event they tell of; may be repeated. Else: its end.")
]
IdempotencyKey = Annotated[
    str, typer.Option(metavar="KEY", help="The same key makes one job, however often it is said.")
]


def submit(  # noqa: PLR0917  typer calls it by name
    kind: Kind,
    params: Params = None,
    follow: Follow = False,
    tag: Tags = None,
    metadata: Metadata = None,
    priority: Priority = None,
    delay: Delay = None,
    run_at: RunAt = "",
    start_within: StartWithin = None,
    timeout: Timeout = None,
    max_attempts: Attempts = None,
    result_ttl: ResultTtl = None,
    callback_url: CallbackUrl = "",
    callback_event: CallbackEvents = None,
    idempotency_key: IdempotencyKey = "",
    as_json: AsJson = False,
    url: Url = "",
) -> NoReturn:
    """Submit a job and print its id, or with --follow watch it, to end as it does.

    Example: tidings submit transcode input=@clip.mov height=720 --follow
    """
    with client_of(url) as client:
        more = given(
            tags=tag,
            metadata=_pairs(metadata or []),
            priority=priority,
            delay_seconds=delay,
            run_at=run_at,
            start_within_seconds=start_within,
            timeout_seconds=timeout,
            max_attempts=max_attempts,
            result_ttl_seconds=result_ttl,
            callback_url=callback_url,
            callback_events=callback_event,
            idempotency_key=idempotency_key,
        )
        job = _submitted(client, kind, gather(client, kind, params or []), more)
        if follow:  # everything since the submission, so that no early log line is missed
            raise typer.Exit(follow_job(client, job["job_id"], 0, as_json=as_json))
    say(job, job["job_id"], as_json=as_json)
    typer.echo(f"`tidings watch {job['job_id']}` watches it.", err=True)
    raise typer.Exit(ExitCode.COMPLETED)


def _submitted(client: Client, kind: str, params: Json, more: Json) -> Json:
    try:
        return client.submit(kind, params, **more)
    except Refused as refused:
        if refused.code != UnknownKind.code:
            raise
        raise unknown_kind(kind, client.kinds()) from refused


def _pairs(words: list[str]) -> Json | None:
    """Raises ArgumentError."""
    pairs = [word.partition("=") for word in words]
    if wrong := [name for name, equals, _ in pairs if not (name and equals)]:
        raise ArgumentError(f"--metadata {wrong[0]!r} is not NAME=VALUE")
    return {name: value for name, _, value in pairs} or None
