"""Which connections are open on which credential, so that none outlives its own: it expires, or it is revoked."""

import asyncio
import time
from collections.abc import Iterable
from typing import NamedTuple

from app.auth.principal import Principal
from app.hub.wire import Close
from app.hub.writer import Writer


class Visit(NamedTuple):
    """What a connection came with; `end` is due when that expires."""

    credential: str
    end: asyncio.TimerHandle | None


class Visits:
    """Of one web process. Who came without a credential is not noted, and costs nothing."""

    def __init__(self) -> None:
        self._visits: dict[Writer, Visit] = {}
        self._writers: dict[str, set[Writer]] = {}

    @property
    def credentials(self) -> list[str]:
        """Those of which connections are open."""
        return list(self._writers)

    def count(self, credential: str) -> int:
        """How many connections are open on it."""
        return len(self._writers.get(credential, ()))

    def note(self, principal: Principal, writer: Writer) -> None:
        """This connection's credential, or the fresh one that it has shown since."""
        self.forget(writer)
        if principal.credential:
            self._visits[writer] = Visit(principal.credential, _end_of(principal, writer))
            self._writers.setdefault(principal.credential, set()).add(writer)

    def forget(self, writer: Writer) -> None:
        """It is over; none of ours is fine."""
        visit = self._visits.pop(writer, None)
        if visit is None:
            return
        if visit.end:
            visit.end.cancel()
        writers = self._writers[visit.credential]
        writers.discard(writer)
        if not writers:
            del self._writers[visit.credential]

    def revoke(self, credentials: Iterable[str]) -> None:
        """End what is open on them."""
        for credential in credentials:
            for writer in list(self._writers.get(credential, ())):
                writer.finish(Close.UNAUTHENTICATED)


def _end_of(principal: Principal, writer: Writer) -> asyncio.TimerHandle | None:
    if principal.expires_at is None:
        return None
    seconds = max(0.0, principal.expires_at / 1000 - time.time())
    return asyncio.get_running_loop().call_later(seconds, writer.finish, Close.UNAUTHENTICATED)
