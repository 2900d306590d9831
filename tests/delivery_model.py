"""What receivers may be sent, as docs/webhooks.md has it: the model that `test_delivery_machine.py` plays against."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from tests.still_store import MOST_AT_A_RECEIVER, MOST_OF_AN_OWNER, START

FIRST_PAUSE_MS: Final = 30_000
LONGEST_PAUSE_MS: Final = 600_000
MOST_FAILURES: Final = 5


@dataclass
class Told:
    """One delivery: it waits until `due`, is under way until `lease`, or neither. Until `passed` it may be left out."""

    job_id: str
    owner: str
    host: str
    due: int | None
    lease: int | None = None
    passed: int = 0
    token: str = ""
    attempt: int = 0
    status: str = "pending"


@dataclass
class Receiver:
    """Times are milliseconds since 1970."""

    failures: int = 0
    pause: int = 0
    until: int = 0
    quiet: int = 0

    def answered(self, now: int, http_status: int | None, quiet: int) -> None:
        """An attempt has come to an end."""
        self.quiet = now + quiet if quiet else self.quiet
        if http_status is not None and http_status < 500 and http_status != 429:
            self.failures = self.pause = self.until = 0
            return
        self.failures += 1
        if self.failures >= MOST_FAILURES and self.until <= now:
            self.pause = min(2 * self.pause or FIRST_PAUSE_MS, LONGEST_PAUSE_MS)
            self.until = now + self.pause


@dataclass
class Model:
    """All of them, at `now`."""

    now: int = START
    told: dict[str, Told] = field(default_factory=dict)
    receivers: dict[str, Receiver] = field(default_factory=dict)

    def queue(self, job_id: str, owner: str, host: str) -> None:
        """A job has ended."""
        self.receivers.setdefault(host, Receiver())
        self.told[job_id] = Told(job_id, owner, host, self.now)

    def recover(self) -> None:
        """What was lost with its worker is due again."""
        for one in self.told.values():
            if one.lease is not None and one.lease <= self.now:
                one.due, one.lease, one.token = self.now, None, ""
                one.status = "retrying" if one.attempt else "pending"

    def room(self, host: str) -> int:
        """How many attempts may begin at the receiver now."""
        receiver = self.receivers[host]
        if max(receiver.until, receiver.quiet) > self.now:
            return 0
        most = 1 if receiver.failures >= MOST_FAILURES else MOST_AT_A_RECEIVER
        return max(0, most - sum(one.lease is not None for one in self._of(host)))

    def is_full(self, owner: str) -> bool:
        """Whether the owner has its share under way."""
        return sum(one.lease is not None for one in self.told.values() if one.owner == owner) >= MOST_OF_AN_OWNER

    def pass_over(self, lease_ms: int) -> None:
        """What is due of owners that have their share may be left out as long as an attempt may last."""
        for one in self.told.values():
            if one.due is not None and one.due <= self.now and self.is_full(one.owner):
                one.passed = self.now + lease_ms

    @property
    def passes(self) -> bool:
        """Whether something may be left out, or has been and may be behind what came later."""
        return any(one.passed or self.is_full(one.owner) for one in self.told.values())

    def lane(self, host: str) -> list[Told]:
        """What is due there, first things first."""
        ripe = [one for one in self._of(host) if one.due is not None and one.due <= self.now]
        return sorted(ripe, key=lambda one: (one.due, one.job_id))

    def claimable(self) -> Mapping[str, list[Told]]:
        """What each receiver may be sent now."""
        return {host: self.lane(host)[: self.room(host)] for host in self.receivers}

    def next_due_ms(self) -> int | None:
        """Where all that may be sent is under way: until there is more."""
        moments = [one.lease for one in self.told.values() if one.lease is not None]
        for host, receiver in self.receivers.items():
            waiting = [one.due for one in self._of(host) if one.due is not None]
            paused = max(receiver.until, receiver.quiet)
            if waiting and (paused > self.now or self.room(host)):
                moments.append(max(min(waiting), paused))
        return min((max(0, moment - self.now) for moment in moments), default=None)

    def turns_ms(self) -> Iterator[int]:
        """Until something may change."""
        moments: Iterable[int | None] = (
            *(moment for one in self.told.values() for moment in (one.due, one.lease, one.passed)),
            *(moment for one in self.receivers.values() for moment in (one.until, one.quiet)),
        )
        yield from sorted({moment - self.now for moment in moments if moment and moment > self.now})

    def _of(self, host: str) -> Iterator[Told]:
        return (one for one in self.told.values() if one.host == host)
