"""Callbacks: the token a URL for an outside system ends with, and what comes there.

A token is of one wait of one job, and says so: `<job id>.<number of the wait>.<signature>`. The number is how many of
the job's waits were answered before, so a token is the same over all runs until its wait is answered, and of no use
after.
Signed by workers, read by `app/web/callbacks.py`.
"""

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NamedTuple, Self

from pydantic_core import from_json

from app.jobs import is_job_id

WAIT_DIGITS: Final = 9
FAILED: Final = "callback_failed"
"""The code of a job whose outside system says that it failed, and not why."""


class Outcome(StrEnum):
    """What a callback came to, where it was not refused."""

    ACCEPTED = "accepted"
    #: The job goes on with it.
    EARLY = "early"
    #: The job does not wait yet; an answer is kept until it does.
    DUPLICATE = "duplicate"
    #: The same has been answered before.
    RECONCILED = "reconciled"
    #: The job had asked for the answer itself meanwhile, and goes on with what it found.


class Awaited(NamedTuple):
    """The wait a token is of."""

    job_id: str
    wait: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What was called back: JSON as it came, or where it `fails` the job an object of `message` and `code`.

    `headers` are those that may tell who sent it, as a JSON object of text; empty once that was seen, or needless.
    """

    fails: bool
    body: bytes
    headers: str

    @classmethod
    def of(cls, how: bytes, body: bytes, headers: bytes | None) -> Self:
        """As the store has it."""
        return cls(how == b"failed", body, (headers or b"").decode())

    @property
    def value(self) -> Any:
        """The body as a JSON value."""
        return from_json(self.body)


def token_of(secret: bytes, job_id: str, wait: int) -> str:
    """Safe in URLs as it is."""
    return f"{job_id}.{wait}.{_signature(secret, job_id, wait)}"


def read_token(secret: bytes, token: str) -> Awaited | None:
    """The wait it is of; None for a token that was not made with this secret."""
    job_id, _, rest = token.partition(".")
    number, _, _ = rest.partition(".")
    if not (is_job_id(job_id) and number.isascii() and number.isdigit() and len(number) <= WAIT_DIGITS):
        return None
    expected = token_of(secret, job_id, int(number))
    return Awaited(job_id, int(number)) if hmac.compare_digest(token.encode(), expected.encode()) else None


def callback_url(base_url: str, token: str) -> str:
    """Where it is called back."""
    return f"{base_url}/api/callbacks/{token}"


def fingerprint(how: str, value: Any) -> str:
    """Alike for answers that say the same, in whatever order the members of their objects come."""
    canonical = json.dumps([how, value], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode(errors="surrogatepass")).hexdigest()


def _signature(secret: bytes, job_id: str, wait: int) -> str:
    digest = hmac.digest(secret, f"callback.{job_id}.{wait}".encode(), "sha256")
    return urlsafe_b64encode(digest).rstrip(b"=").decode()
