"""A batch: many jobs of one request, told of as one. The object shown to the outside, and its events.

Used by the store, the hub and the doors of batches; knows nothing of Redis or HTTP.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING, ClassVar, Self, cast

from app.clock import rfc3339, rfc3339_or_none
from app.events import Event, json_text
from app.jobs import FIRST_POLL_MS, Status

if TYPE_CHECKING:
    from app.shapes.batch import BatchObject, Counts


@dataclass(frozen=True, slots=True)
class Batch:
    """Times are milliseconds since 1970; None is "not yet". `percent` is the mean of its jobs, ended ones being at 100.

    It has completed when all of them have ended, whatever they came to: `counts` tells.
    """

    batch_id: str
    owner: str
    total: int
    counts: Mapping[Status, int]
    percent: float
    seq: int
    created_at: int
    updated_at: int
    finished_at: int | None = None
    expires_at: int | None = None
    cancel_requested_at: int | None = None
    poll_ms: int = field(default=FIRST_POLL_MS, compare=False)

    @classmethod
    def accepted(cls, batch_id: str, owner: str, total: int, created_at: int) -> Self:
        """The batch as it was when it was accepted."""
        counts = dict.fromkeys(Status, 0) | {Status.PENDING: total}
        return cls(batch_id, owner, total, counts, 0.0, 1, created_at, created_at)

    @property
    def ended(self) -> bool:
        """Whether all its jobs have ended; some may be run again."""
        return self.finished_at is not None

    def retry_after(self) -> int:
        """Seconds until asking again is worth it."""
        return ceil(self.poll_ms / 1000)

    def shown(self, base_url: str = "") -> "BatchObject":
        """The batch object of every transport. Links are path-absolute, or absolute where `base_url` is set."""
        url = batch_url(self.batch_id, base_url)
        return {
            "batch_id": self.batch_id,
            "owner": self.owner,
            "status": "completed" if self.ended else "processing",
            "total": self.total,
            "counts": cast("Counts", dict(self.counts)),
            "progress": {"percent": self.percent},
            "seq": self.seq,
            "created_at": rfc3339(self.created_at),
            "updated_at": rfc3339(self.updated_at),
            "finished_at": rfc3339_or_none(self.finished_at),
            "expires_at": rfc3339_or_none(self.expires_at),
            "cancel_requested_at": rfc3339_or_none(self.cancel_requested_at),
            "links": {
                "self": url,
                "events": f"{url}/events",
                "jobs": f"{base_url}/api/jobs?batch_id={self.batch_id}",
                "cancel": f"{url}/cancel",
                "retry": f"{url}/retry",
            },
        }


def batch_url(batch_id: str, base_url: str = "") -> str:
    """Where a batch is found."""
    return f"{base_url}/api/batches/{batch_id}"


class BatchEvent(Event):
    """A `snapshot`, `progress` or `completed`, whose data is the whole batch object; `job_id` is the batch's id."""

    subject: ClassVar[str] = "batch_id"

    @classmethod
    def of(cls, batch: Batch, type: str, base_url: str) -> Self:
        """What is told of a batch as it stands."""
        return cls(batch.batch_id, batch.seq, type, batch.updated_at, json_text(batch.shown(base_url)))
