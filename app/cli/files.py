"""`tidings upload` and `tidings result`: files in, results and files out."""

from pathlib import Path
from typing import Annotated

import typer
from pydantic_core import to_json

from app.cli.asking import AsJson, JobId, Url, client_of, say
from app.cli.exits import usage
from app.cli.gather import uploaded


def upload(
    path: Annotated[Path, typer.Argument(metavar="PATH", exists=True, dir_okay=False, show_default=False)],
    as_json: AsJson = False,
    url: Url = "",
) -> None:
    """Upload a file and print what to say for it in params. What breaks off is gone on with."""
    with client_of(url) as client:
        stored = uploaded(client, path)
    say(stored, stored["input"], as_json=as_json)


def result(
    job_id: JobId,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Put the file it made there.", show_default=False)
    ] = None,
    artifact: Annotated[str, typer.Option(help="Which file, if not the main one.")] = "",
    as_json: AsJson = False,
    url: Url = "",
) -> None:
    """Wait for a job's end, and print what it returned as JSON, or with --output put a file it made somewhere.

    Exits with 0 completed, 1 failed, 3 cancelled.
    """
    with client_of(url) as client:
        if output is None:
            typer.echo(to_json(client.result(job_id), indent=None if as_json else 2))
            return
        try:
            client.download(job_id, output, artifact)
        except OSError as error:
            usage(f"--output: {error}")
    say({"path": str(output), "size": output.stat().st_size}, str(output), as_json=as_json)
