"""What can be asked of the service, each written once for both faces (`client.py`, `asynchronous.py`)."""

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

from pydantic_core import from_json, to_json

from app.client.asking import JSON, PATIENT_SECONDS, asked, asked_for_object, read_object
from app.client.download import downloaded
from app.client.errors import ClientError, NotCompleted, Refused, Unreachable
from app.client.faces import operation, telling
from app.client.follow import Answer, Follower, NotOurs, answer
from app.client.steps import Call, Json, Open, Pause, Read, Reply, Steps, Tell
from app.client.upload import uploaded
from app.jobs import TERMINAL

WAIT_SECONDS: Final = 20
"""How long one request waits for the end of a job; less than a client waits for an answer."""

LONGEST_POLL_SECONDS: Final = 60
"""A service that is waited on may ask for this much patience."""


class Operations:
    """Raises Refused or Unreachable where what was asked for did not happen, if nothing else is said."""

    url: str

    def absolute(self, link: str) -> str:
        """A link of the service, which may be path-absolute, as one to click on."""
        return self.url + link if link.startswith("/") else link

    @operation
    def kinds(self) -> Steps[list[Json]]:
        """What can be asked for: `kind`, `description`, `params_schema` … of each."""
        known: list[Json] = (yield from asked_for_object(Call("GET", "/api/kinds"), self.url))["kinds"]
        return known

    @operation
    def webhook_secret(self) -> Steps[str]:
        """One that signs the owner's webhooks: the one the service has made by itself, else a new one."""
        path = "/api/webhooks/secrets"
        listed: list[Json] = (yield from asked_for_object(Call("GET", path), self.url))["secrets"]
        for secret in listed:
            if "secret" in secret:
                return str(secret["secret"])
        return str((yield from asked_for_object(Call("POST", path), self.url))["secret"])

    # Jobs

    @operation
    def submit(
        self,
        /,
        kind: str,
        params: Mapping[str, Any],
        *,
        tags: Sequence[str] = (),
        idempotency_key: str = "",
        **more: Any,
    ) -> Steps[Json]:
        """Submit a job, once however often the request has to be repeated. Returns the job object.

        `more` are further members of the request, as `priority`, `callback_url` or `delay_seconds` (docs/api.md). A
        caller that may itself run again gives a key of its own, as an order's number.
        """
        body = {"kind": kind, "params": params} | ({"tags": list(tags)} if tags else {}) | more
        return (yield from self._posted_once("/api/jobs", body, idempotency_key))

    @operation
    def job(self, job_id: str) -> Steps[Json]:
        """The job object, as it stands."""
        return (yield from asked_for_object(Call("GET", _job_path(job_id)), self.url))

    @telling
    def jobs(self, /, **filters: str) -> Steps[None]:
        """Job objects, the newest first: all, or those of a `status`, `kind`, `tag`, `batch_id`."""
        cursor: str | None = ""
        while cursor is not None:
            query = urlencode(filters | ({"cursor": cursor} if cursor else {}))
            page = yield from asked_for_object(Call("GET", f"/api/jobs?{query}"), self.url)
            for job in page["jobs"]:
                yield Tell(job)
            cursor = page["next_cursor"]

    @operation
    def cancel(self, job_id: str, reason: str = "") -> Steps[Json]:
        """Ask for the job to be stopped. Returns the job object, which may say that it had ended before."""
        call = partial(Call, "POST", f"{_job_path(job_id)}/cancel")
        return (yield from asked_for_object(call(JSON, to_json({"reason": reason})) if reason else call(), self.url))

    @operation
    def retry(self, job_id: str) -> Steps[Json]:
        """Run a job that failed or was cancelled again. Returns the job object."""
        return (yield from asked_for_object(Call("POST", f"{_job_path(job_id)}/retry"), self.url))

    @operation
    def wait(self, job_id: str) -> Steps[Json]:
        """The job object, once the job has ended. It asks seldom, and no sooner than the service says."""
        return (yield from self._ended(_job_path(job_id)))

    @operation
    def result(self, job_id: str) -> Steps[Any]:
        """What the handler returned, once the job has completed. Raises NotCompleted when it ends otherwise."""
        job = yield from self._completed(job_id)
        if job["result"] is not None or job["artifacts"] or not job["result_url"]:
            return job["result"]
        return from_json((yield from asked(Call("GET", f"{_job_path(job_id)}/result"))).body)

    @operation
    def download(
        self,
        job_id: str,
        to: str | PathLike[str],
        artifact: str = "",
        on_progress: Callable[[int], None] = lambda n: None,
    ) -> Steps[Path]:
        """Put an artifact, or without a name the main one, into a file once the job has completed.

        What breaks off is gone on with. Raises NotCompleted when the job ends otherwise, and OSError.
        """
        yield from self._completed(job_id)
        what = f"artifacts/{quote(artifact, safe='')}" if artifact else "result"
        return (yield from downloaded(f"{_job_path(job_id)}/{what}", Path(to), on_progress))

    @telling
    def follow(
        self, job_id: str, after: int | None = None, on_away: Callable[[float], None] = lambda seconds: None
    ) -> Steps[None]:
        """The job's events to its end, over as many connections as it takes.

        Without `after` a snapshot comes first; with it, what the log has of a higher seq (0: everything). `on_away`
        hears for how many seconds a lost service is left alone, and 0 when it is back.
        """
        yield from self._followed(f"{_job_path(job_id)}/events", after, on_away)

    # Files

    @operation
    def upload(
        self, path: str | PathLike[str], on_progress: Callable[[int, int], None] = lambda sent, total: None
    ) -> Steps[Json]:
        """Send a file; `input` of what is returned goes into params. `on_progress` hears bytes sent and in all.

        What breaks off is gone on with. Raises OSError when the file cannot be read to its end.
        """
        return (yield from uploaded(Path(fspath(path)), self.url, on_progress))

    # Batches

    @operation
    def submit_batch(
        self, /, jobs: Iterable[Mapping[str, Any]], *, tags: Sequence[str] = (), idempotency_key: str = "", **more: Any
    ) -> Steps[Json]:
        """Submit many jobs, all or none; each as `{"kind", "params", …}`. Returns the batch object."""
        body = {"jobs": list(jobs)} | ({"tags": list(tags)} if tags else {}) | more
        return (yield from self._posted_once("/api/batches", body, idempotency_key))

    @operation
    def batch(self, batch_id: str) -> Steps[Json]:
        """The batch object, as it stands."""
        return (yield from asked_for_object(Call("GET", _batch_path(batch_id)), self.url))

    @operation
    def cancel_batch(self, batch_id: str) -> Steps[Json]:
        """Ask for all its jobs to be stopped. Returns the batch object."""
        return (yield from asked_for_object(Call("POST", f"{_batch_path(batch_id)}/cancel"), self.url))

    @operation
    def retry_batch(self, batch_id: str) -> Steps[Json]:
        """Run its failed jobs again. Returns the batch object."""
        return (yield from asked_for_object(Call("POST", f"{_batch_path(batch_id)}/retry"), self.url))

    @telling
    def follow_batch(
        self, batch_id: str, after: int | None = None, on_away: Callable[[float], None] = lambda seconds: None
    ) -> Steps[None]:
        """How a batch stands, whenever that has changed, to the end of its last job; as `follow` does."""
        yield from self._followed(f"{_batch_path(batch_id)}/events", after, on_away)

    # What several of these share

    def _posted_once(self, path: str, body: Json, idempotency_key: str) -> Steps[Json]:
        headers = JSON | {"Idempotency-Key": f'"{idempotency_key or uuid.uuid4()}"'}
        return (yield from asked_for_object(Call("POST", path, headers, to_json(body)), self.url))

    def _completed(self, job_id: str) -> Steps[Json]:
        job = yield from self._ended(_job_path(job_id))
        if job["status"] != "completed":
            raise NotCompleted(job)
        return job

    def _ended(self, path: str) -> Steps[Json]:
        while True:
            call = Call("GET", path, {"Prefer": f"wait={WAIT_SECONDS}"})
            reply = yield from asked(call, waits=PATIENT_SECONDS, longest=LONGEST_POLL_SECONDS)
            job = read_object(reply, self.url)
            if job["status"] in TERMINAL:
                return job
            if "wait" not in reply.headers.get("Preference-Applied", ""):  # it was not held back, so we do that
                yield Pause(reply.retry_after or LONGEST_POLL_SECONDS)

    def _followed(self, path: str, after: int | None, on_away: Callable[[float], None]) -> Steps[None]:
        follower = Follower(after)
        while True:
            failure: ClientError = Unreachable(self.url, "the stream ended before the job did")
            try:
                yield from self._heard(path, follower, on_away)
            except ClientError as error:
                failure = error
            if follower.ended:
                return
            seconds = follower.lost(failure.retry_after) if failure.heals else None
            if seconds is None:
                raise failure
            on_away(seconds)
            yield Pause(seconds)

    def _heard(self, path: str, follower: Follower, on_away: Callable[[float], None]) -> Steps[None]:
        """One connection's events."""
        reply: Reply = yield Open(Call("GET", path, follower.connect()))
        try:
            match answer(reply.status, reply.headers.get("Content-Type", "")):
                case Answer.OVER:
                    follower.ended = True
                case Answer.STREAM:
                    on_away(0)
                    while chunk := (yield Read()):
                        for event in follower.feed(chunk):
                            yield Tell(event)
                case _:
                    raise Refused.by(reply)
        except NotOurs as error:
            raise Unreachable(self.url, error, heals=False) from error


def _job_path(job_id: str) -> str:
    return f"/api/jobs/{quote(job_id, safe='')}"


def _batch_path(batch_id: str) -> str:
    return f"/api/batches/{quote(batch_id, safe='')}"
