"""The kinds as the web process knows them: at most a second old, so that a submission costs no look-up of its own."""

import asyncio
import time
from collections.abc import Mapping
from typing import Final

from app.errors import UnknownKind
from app.store import Kind, KindStore

FRESH_SECONDS: Final = 1.0


class Catalog:
    """One per process. Who asks while the kinds are being read waits for that one read."""

    def __init__(self, kinds: KindStore) -> None:
        self._kinds = kinds
        self._known: Mapping[str, Kind] = {}
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()

    async def all(self) -> Mapping[str, Kind]:
        """By name. Raises Unavailable when they are too old and cannot be read."""
        return await self._newer_than(time.monotonic() - FRESH_SECONDS)

    async def find(self, name: str) -> Kind:
        """The kind of that name; one that a worker announced this very moment is found too. Raises UnknownKind."""
        known = self._known if self._read_at > time.monotonic() - FRESH_SECONDS else await self.all()
        if name not in known:
            known = await self._newer_than(time.monotonic())
        if name not in known:
            detail = f"There is no kind {name[:64]!r}."
            raise UnknownKind(detail, kinds=sorted(known), errors=[{"pointer": "/kind", "message": detail}])
        return known[name]

    async def _newer_than(self, moment: float) -> Mapping[str, Kind]:
        if self._read_at <= moment:
            async with self._reading:
                if self._read_at <= moment:
                    self._read_at, self._known = time.monotonic(), await self._kinds.known()
        return self._known
