"""Jobs as they were read, for the watchers of a feed: framed once for all who are told alike."""

from collections.abc import Iterable

from app.events import Event, snapshot
from app.hub.history import sliced
from app.hub.wire import Message, Wire
from app.jobs import Job
from app.store import Filter


class Snapshots:
    """With `reset` they are told afresh, to who may have missed something."""

    def __init__(self, jobs: Iterable[Job], base_url: str, *, reset: bool = False) -> None:
        self.jobs = list(jobs)
        self._base_url = base_url
        self._reset = reset
        self._events: dict[str, Event] = {}
        self._messages: dict[tuple[Wire, Filter], list[Message]] = {}

    def messages(self, wire: Wire, wanted: Filter) -> list[Message]:
        """Of the jobs that fit, in slices, so that no connection buffers them all."""
        key = (wire, wanted)
        if key not in self._messages:
            events = [self._event(job) for job in self.jobs if wanted.fits(job)]
            self._messages[key] = [wire.encode(events_of_slice) for events_of_slice in sliced(events)]
        return self._messages[key]

    def _event(self, job: Job) -> Event:
        if job.job_id not in self._events:
            shown = job.shown(self._base_url)
            self._events[job.job_id] = snapshot(job.job_id, job.seq, job.updated_at, shown, reset=self._reset)
        return self._events[job.job_id]
