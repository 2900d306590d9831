"""The one a request acts for. Made by `app/auth/authenticator.py`, asked for by the doors and the hub."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from app.batches import Batch
from app.jobs import EVERYBODY, Job
from app.limits import NO_BOUNDS, Bounds, KeyRate

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection  # workers know these words too, and no HTTP

PRINCIPAL: Final = "tidings.principal"
"""Where `app/web/gate.py` leaves it in the ASGI scope."""

_OWNER: Final = re.compile(r"[A-Za-z0-9_%][A-Za-z0-9._@+%-]{0,127}")


class Scope(StrEnum):
    """What a credential is good for."""

    SUBMIT = "submit"
    READ = "read"
    CANCEL = "cancel"
    ADMIN = "admin"


USUAL: Final = frozenset({Scope.SUBMIT, Scope.READ, Scope.CANCEL})
"""What an owner does with its own jobs; `admin` is about everybody's."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What of its owner's a browser token reaches: the jobs named, those of a tag or a batch, or all (`feed`).

    With a `kind` it is good for a single submission of that kind, and `single` is the name of that. With `everybody`
    what it reaches is not its owner's alone: an operator made it.
    """

    jobs: frozenset[str] = frozenset()
    tag: str = ""
    batch_id: str = ""
    feed: bool = False
    kind: str = ""
    single: str = ""
    everybody: bool = False

    def covers(self, job: Job) -> bool:
        """Whether it reaches a job of its owner."""
        return (
            self.feed
            or job.job_id in self.jobs
            or bool(self.tag and self.tag in job.tags)
            or bool(self.batch_id and job.batch_id == self.batch_id)
        )

    def covers_batch(self, batch_id: str) -> bool:
        """Whether it reaches a batch of its owner."""
        return self.feed or batch_id == self.batch_id


@dataclass(frozen=True, slots=True)
class Principal:
    """`credential` names what was shown, for limits, logs and revocation; it is empty where nothing had to be.

    `expires_at` is milliseconds since 1970; streams end then. `reach` is None where all of the owner's is reached.
    `bounds` are of this credential, beside the owner's.
    """

    owner: str
    scopes: frozenset[Scope]
    credential: str = ""
    expires_at: int | None = None
    reach: Reach | None = None
    bounds: Bounds = NO_BOUNDS

    @property
    def submit_rate(self) -> KeyRate:
        """How often it may submit."""
        return KeyRate(self.credential, self.bounds.submits_per_minute)

    @property
    def upload_rate(self) -> KeyRate:
        """How often it may begin an upload."""
        return KeyRate(self.credential, self.bounds.uploads_per_minute)

    @property
    def single(self) -> str:
        """The one submission that it is for, files included; empty where it is for any."""
        return self.reach.single if self.reach else ""

    @property
    def oversees(self) -> bool:
        """Whether all owners' jobs exist for this one: an operator's. In an open service nobody has shown so."""
        return Scope.ADMIN in self.scopes and self.reach is None and bool(self.credential)

    @property
    def sight(self) -> str:
        """Whose jobs exist for this one: an owner's, or everybody's."""
        return EVERYBODY if self.oversees or (self.reach and self.reach.everybody) else self.owner

    def sees(self, job: Job) -> bool:
        """Whether that job exists for this one."""
        return self.sight in (EVERYBODY, job.owner) and (self.reach is None or self.reach.covers(job))

    def sees_batch(self, batch: Batch) -> bool:
        """The same of a batch."""
        return self.sight in (EVERYBODY, batch.owner) and (
            self.reach is None or self.reach.covers_batch(batch.batch_id)
        )


OPEN: Final = Principal("default", frozenset(Scope))
"""Without authentication whoever can reach the service is its one owner."""


def principal_of(connection: "HTTPConnection") -> Principal:
    """Who was let in. Raises KeyError at a door that anybody may enter."""
    principal: Principal = connection.scope[PRINCIPAL]
    return principal


def owner_of(connection: "HTTPConnection") -> str:
    """The owner a request acts for."""
    return principal_of(connection).owner


def is_owner(name: str) -> bool:
    """Whether it can be an owner's name."""
    return _OWNER.fullmatch(name) is not None
