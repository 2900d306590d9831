"""The jobs that `tidings top` shows, kept up by the feed's events. Knows neither the service nor the screen."""

import time
from collections import Counter, deque
from collections.abc import Callable, Collection
from typing import Any, Final

from app.jobs import TERMINAL

Json = dict[str, Any]

MOST_JOBS: Final = 2_000
"""Beyond, what ended longest ago is forgotten."""

RATE_SECONDS: Final = 60
SHORTEST_SECONDS: Final = 10
"""Less is too short to tell a rate."""
MOST_ENDS: Final = 100_000

TURN: Final = {"processing": 0, "pending": 1}


class Board:
    """Job objects by id. `statuses` are those that are shown, empty for all of them."""

    def __init__(self, statuses: Collection[str] = (), *, clock: Callable[[], float] = time.monotonic) -> None:
        self.stale = True
        """It does not know all there is: jobs are to be listed and put."""
        self.away = 0.0
        """The service is sought again after so many seconds; 0 while it is heard."""
        self._statuses = statuses
        self._clock = clock
        self._began = clock()
        self._jobs: dict[str, Json] = {}
        self._ends: deque[float] = deque(maxlen=MOST_ENDS)

    def connected(self, away: float) -> None:
        """The service is away, or, at 0, heard anew: what it has told before may no longer be so."""
        self.away = away
        if not away:
            self._jobs.clear()
            self.stale = True

    def put(self, job: Json) -> None:
        """As it has been read, unless more is known already."""
        known = self._jobs.get(job["job_id"])
        if known is None or known["seq"] < job["seq"]:
            self._jobs[job["job_id"]] = job
        if len(self._jobs) > MOST_JOBS:
            self._forget()

    def take(self, event: Json) -> None:
        """Go on by one event of the feed."""
        job = self._jobs.get(event["job_id"])
        if event["type"] == "snapshot":
            return self.put(event["data"])
        if event["type"] in TERMINAL:
            self._ends.append(self._clock())
        if job is None:  # new, or older than what was listed
            self.stale = True
        elif job["seq"] < event["seq"]:
            self._jobs[event["job_id"]] = _changed(job, event)

    @property
    def counts(self) -> Counter[str]:
        """How many there are of each status."""
        return Counter(job["status"] for job in self._jobs.values())

    @property
    def ended_per_minute(self) -> float:
        """Within the last minute, or since it began."""
        now = self._clock()
        while self._ends and self._ends[0] < now - RATE_SECONDS:
            self._ends.popleft()
        return len(self._ends) * 60 / min(max(now - self._began, SHORTEST_SECONDS), RATE_SECONDS)

    def rows(self) -> list[Json]:
        """What runs, the longest first; what waits, the next first; what has ended, the latest first."""
        shown = [job for job in self._jobs.values() if not self._statuses or job["status"] in self._statuses]
        active = [job for job in shown if job["status"] in TURN]
        ended = [job for job in shown if job["status"] not in TURN]
        active.sort(key=lambda job: (TURN[job["status"]], job.get("started_at") or "", job["created_at"]))
        ended.sort(key=lambda job: job.get("finished_at") or "", reverse=True)
        return active + ended

    def _forget(self) -> None:
        ended = (job for job in self._jobs.values() if job["status"] in TERMINAL)
        oldest = min(ended, key=lambda job: job.get("finished_at") or "", default=None)
        self._jobs.pop(oldest["job_id"] if oldest else next(iter(self._jobs)))


def _changed(job: Json, event: Json) -> Json:
    return job | {"seq": event["seq"], "updated_at": event["at"]} | _news(event["type"], event["data"], event["at"])


def _news(type_: str, data: Json, at: str) -> Json:
    if type_ in TERMINAL:
        return {"status": type_, "finished_at": at, "eta_seconds": None, "error": data.get("error")}
    news: dict[str, Json] = {
        "progress": {"progress": data, "eta_seconds": data.get("eta_seconds")},
        "processing": {"status": type_, "started_at": at, "progress": None, "waiting_for": None},
        "pending": {"status": type_, "progress": None, "eta_seconds": None, "position": None},
        "position": {"position": data.get("position"), "eta_seconds": data.get("eta_seconds")},
        "cancel_requested": {"cancel_requested_at": at},
        "waiting": {"waiting_for": data.get("for")},
        "suspended": {"suspended_at": at},
        "resumed": {"suspended_at": None},
    }
    return news.get(type_, {})
