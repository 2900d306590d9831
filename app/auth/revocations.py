"""Revoked keys: their open streams end. Run by `app/main.py` in each web process.

It looks the open ones up instead of being told: a word about a revocation could be missed, and then a stream would go
on for ever. One look asks for as many keys as have streams here.
"""

from collections.abc import Collection
from typing import Final, Protocol

import structlog

from app.auth.keys import is_key_id
from app.periodic import Periodic
from app.store.keys import KeyStore

LOOK_SECONDS: Final = 2.0

log = structlog.get_logger()


class Visited(Protocol):
    """The hub's visits."""

    @property
    def credentials(self) -> Collection[str]: ...

    def revoke(self, credentials: Collection[str]) -> None: ...


class Revocations:
    """`watch` is to be run in a task."""

    def __init__(self, keys: KeyStore, visits: Visited) -> None:
        self._keys = keys
        self._visits = visits
        self.watch = Periodic("revocations", self.look)

    async def look(self) -> float:
        """Answers after how many seconds to look again. Raises Unavailable."""
        open_keys = [credential for credential in self._visits.credentials if is_key_id(credential)]
        revoked = await self._keys.revoked(open_keys)
        if revoked:
            log.info("streams of revoked keys end", action="auth.revoked", keys=revoked)
            self._visits.revoke(revoked)
        return LOOK_SECONDS
