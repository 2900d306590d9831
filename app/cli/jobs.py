"""Commands about jobs there are: listing and showing them, and what can be done to one."""

from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Any, Final

import typer
from pydantic_core import to_json

from app.cli.asking import ENDS, AsJson, JobId, Url, client_of, given, say, say_all
from app.cli.completion import batch_ids
from app.cli.exits import ExitCode
from app.cli.watching import Kinds, Status, Tags
from app.display.sentences import ending, left, percent_of, status_of
from app.display.terminal import line_of

Json = dict[str, Any]

LISTED: Final = ("job_id", "status", "kind", "created_at", "tags")
MOMENTS: Final = ("created_at", "started_at", "finished_at", "retry_at", "expires_at", "batch_id")


def jobs(  # noqa: PLR0917  typer calls it by name
    status: Status = None,
    kind: Kinds = None,
    tag: Tags = None,
    metadata: Annotated[
        list[str] | None, typer.Option("--metadata", metavar="NAME=VALUE", help="Only those that say so.")
    ] = None,
    batch_id: Annotated[str, typer.Option("--batch", help="Only those of that batch.", autocompletion=batch_ids)] = "",
    since: Annotated[str, typer.Option(metavar="TIME", help="Only younger ones: RFC 3339 with an offset.")] = "",
    most: Annotated[int, typer.Option("--most", "-n", min=1, help="How many at most.")] = 20,
    as_json: AsJson = False,
    url: Url = "",
) -> None:
    """List jobs, the newest first."""
    said = [word.replace("=", ":", 1) for word in metadata or []]
    filters = given(status=status, kind=kind, tag=tag, metadata=said, batch_id=batch_id, created_after=since)
    with client_of(url) as client:
        say_all(islice(client.jobs(**filters), most), LISTED, as_json=as_json)


def show(job_id: JobId, as_json: AsJson = False, url: Url = "") -> None:
    """Say how a job stands, and what it has made. Ends with 0, however that is."""
    with client_of(url) as client:
        job = client.job(job_id)
        ended = [*ending(job, client.absolute)] if job["status"] in ENDS else []
    say(job, *_lines(job, ended), as_json=as_json)


def log(
    job_id: JobId,
    events: Annotated[bool, typer.Option("--events", help="All events, not what was logged alone.")] = False,
    as_json: AsJson = False,
    url: Url = "",
) -> None:
    """Print what a job has logged so far; `watch --after 0` goes on with it."""
    with client_of(url) as client:
        for event in client.events(job_id):
            if events or event["type"] == "log":
                data = event["data"]
                say(event, line_of(event) if events else f"{data['level']}: {data['line']}", as_json=as_json)


def cancel(
    job_id: JobId,
    reason: Annotated[str, typer.Option(help="Why; shown with the job.")] = "",
    as_json: AsJson = False,
    url: Url = "",
) -> None:
    """Ask for a job to be stopped. It is cancelled once it really has."""
    with client_of(url) as client:
        job = client.cancel(job_id, reason)
    say(job, "cancelling" if job["status"] not in ENDS else job["status"], as_json=as_json)


def retry(job_id: JobId, as_json: AsJson = False, url: Url = "") -> None:
    """Run a job that failed or was cancelled again."""
    with client_of(url) as client:
        job = client.retry(job_id)
    say(job, job["status"], as_json=as_json)


def suspend(
    job_id: JobId,
    seconds: Annotated[float | None, typer.Option("--for", metavar="SECONDS", help="Else until it is resumed.")] = None,
    as_json: AsJson = False,
    url: Url = "",
) -> None:
    """Keep a pending job from starting."""
    with client_of(url) as client:
        job = client.suspend(job_id, seconds)
    say(job, "suspended" if job["suspended_at"] else job["status"], as_json=as_json)


def resume(job_id: JobId, as_json: AsJson = False, url: Url = "") -> None:
    """Let a suspended job be started."""
    with client_of(url) as client:
        job = client.resume(job_id)
    say(job, job["status"], as_json=as_json)


def purge(job_id: JobId, as_json: AsJson = False, url: Url = "") -> None:
    """Have a job that has ended, its result and its files forgotten."""
    with client_of(url) as client:
        status = client.job(job_id)["status"]
        if status not in ENDS:  # or the service would cancel it
            typer.echo(f"It is {status}; `tidings cancel {job_id}` stops it.", err=True)
            raise typer.Exit(ExitCode.REFUSED)
        job = client.purge(job_id)
    say(job, "forgotten", as_json=as_json)


def _lines(job: Json, ended: list[str]) -> Iterator[str]:
    yield f"{job['job_id']}  {job['kind']}  of {job['owner']}, in {job['queue']}"
    yield from ended or [_standing(job)]
    for name in MOMENTS:
        if job.get(name):
            yield f"  {name.replace('_', ' ')}: {job[name]}"
    for name in ("tags", "metadata"):
        if job.get(name):
            yield f"  {name}: {to_json(job[name]).decode()}"
    yield f"  attempt: {job['attempt']} of {job['max_attempts']}"
    for artifact in job["artifacts"]:
        yield f"  made: {artifact['name']} ({artifact['size']} bytes, {artifact['content_type']})"


def _standing(job: Json) -> str:
    progress = job["progress"] or {}
    return "  ".join(filter(None, (status_of(job), percent_of(progress).strip(), progress.get("message"), left(job))))
