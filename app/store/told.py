"""What a webhook says: the job, or the batch, as its event has left it. Made by `deliveries.py`, of what the script
that wrote the event has kept (`tell` in `lua/parts/webhooks.lua`).

The same text each time for the same event, so that every attempt sends the same bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic_core import from_json, to_json

from app.clock import rfc3339
from app.events import Event
from app.jobs import FIRST_POLL_MS, STATUSES, TERMINAL, Job
from app.store.batches import batch_of
from app.store.views import view_of

BATCH_EVENT: Final = "batch.completed"
TOLD_BY_THE_JOB: Final = STATUSES | {"progress"}
"""Types of events of which the job object tells all."""


@dataclass(frozen=True, slots=True)
class Told:
    """An event of the job or batch called `subject`, with what was kept of that."""

    subject: str
    seq: int
    at: int
    type: str
    kept: bytes

    def body(self, base_url: str) -> bytes:
        """The JSON that is sent."""
        kept = from_json(self.kept.decode(errors="replace"))
        if self.type == BATCH_EVENT:
            batch = batch_of(self.subject, _bytes(kept), FIRST_POLL_MS)
            return self._body(self.type, dict(batch.shown(base_url)))
        record, data, progress, artifacts = kept
        shown: dict[str, Any] = dict(self._job(record, data, progress, artifacts).shown(base_url))
        if self.type not in TOLD_BY_THE_JOB:
            shown["event"] = from_json(Event(self.subject, self.seq, self.type, self.at, data).line)
        return self._body(f"job.{self.type}", shown)

    def _job(self, record: Sequence[str], data: str, progress: str | None, artifacts: Sequence[str]) -> Job:
        end = data if self.type in TERMINAL else None
        outlook = (None, None, None, FIRST_POLL_MS)  # its place and its end are foretold to who asks only
        reply = (_bytes(record), None, end, progress, _bytes(artifacts), *outlook, self.at, ())
        return view_of(self.subject, reply).job

    def _body(self, type: str, data: dict[str, Any]) -> bytes:
        return to_json({"type": type, "timestamp": rfc3339(self.at), "data": data}, inf_nan_mode="strings")


def _bytes(texts: Sequence[str]) -> list[bytes]:
    return [text.encode() for text in texts]  # an empty list comes as an object, as Lua cannot tell them apart
