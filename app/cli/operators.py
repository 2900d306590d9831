"""`tidings workers` and `tidings pollers`: what an operator looks at."""

from typing import Final

from app.cli.asking import AsJson, Url, client_of, say_all

WORKER: Final = ("worker", "host", "concurrency", "running_count", "queues", "last_seen_at")
POLLER: Final = ("refused", "owner", "job_id", "batch_id", "last_at")


def workers(as_json: AsJson = False, url: Url = "") -> None:
    """List the workers there are, and how much each runs; with --json, what."""
    with client_of(url) as client:
        say_all(client.workers(), WORKER, as_json=as_json)


def pollers(as_json: AsJson = False, url: Url = "") -> None:
    """List who asks too often, the worst first."""
    with client_of(url) as client:
        say_all(client.pollers(), POLLER, as_json=as_json)
