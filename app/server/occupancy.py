"""How many are in the house, and who may still come in. One for a web process; each of its connections is a guest.

It keeps counts, and the order in which guests came to wait for their next request. When the house is full, who has
waited longest makes room, so whoever opens connections and asks for nothing keeps nobody out.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import structlog

from app.errors import Refusal, TooManyConnections, Unavailable
from app.hub import Close, Full
from app.limits import Connections
from app.server.proxies import Proxies, site_of
from app.server.tally import Tally

FEW: Final = 64
"""While less than one in so many waits, they are about to ask, and nobody has to make room."""

MOST_LEAVING: Final = 64
"""Guests turned away that may still hear why; others are hung up on, as each holds a descriptor."""

SECONDS_BETWEEN_NOTES: Final = 10.0

log = structlog.get_logger()


class Occupancy:
    """`connections` are all; `proxied` those of proxies that are being asked on, of each client; `streams` and
    `sockets` what is told to the end, by SSE and by WebSocket; `unknown` the sockets that have yet to say who they are.
    """

    def __init__(self, limits: Connections) -> None:
        self.limits = limits
        self.proxies = Proxies(limits.trusted_proxies, limits.proxy_header)
        self.connections = Tally(limits.most, limits.most_per_address)
        self.proxied = Tally(limits.most, limits.most_per_address)
        self.streams = Tally(limits.most_streams, limits.most_streams_per_address)
        self.sockets = Tally(limits.most_sockets, limits.most_sockets_per_address)
        self.unknown = Tally(*limits.unknown_sockets)
        self.leaving = Tally(MOST_LEAVING, MOST_LEAVING)
        self.waiting: dict[Guest, None] = {}
        self.turned_away = 0
        self._noted_at = -SECONDS_BETWEEN_NOTES

    def note(self, refusal: Refusal, site: str) -> None:
        """Somebody is turned away. The log is told of it now and then: an address with many may be a proxy's."""
        self.turned_away += 1
        now = time.monotonic()
        if now - self._noted_at >= SECONDS_BETWEEN_NOTES:
            self._noted_at = now
            told = {"code": refusal.code, "address": site, "connections": self.connections.count}
            log.warning("turned away", action="connection.turned_away", in_all=self.turned_away, **told)

    def make_room(self) -> None:
        """For one more. Raises Unavailable."""
        if not self.connections.full:
            return
        if len(self.waiting) <= self.limits.most // FEW:
            raise Unavailable("This process has as many connections as it may.", headers={"Retry-After": "2"})
        next(iter(self.waiting)).make_room()


class Guest:
    """One connection. `hang_up` is to end it at once, when others need its place."""

    def __init__(self, occupancy: Occupancy, peer: str, hang_up: Callable[[], None]) -> None:
        self._occupancy = occupancy
        self._hang_up = hang_up
        self._is_proxy = occupancy.proxies.trust(peer)
        self._site = "" if self._is_proxy else site_of(peer)
        self._counted: dict[Tally, str] = {}

    def enter(self) -> None:
        """Raises Unavailable or TooManyConnections; then it is to go."""
        try:
            self._check(self._occupancy.connections)  # first: nobody is to go for who may not come
            self._occupancy.make_room()
        except Refusal as refusal:
            self._occupancy.note(refusal, self._site)
            raise
        self._add(self._occupancy.connections)
        self.wait()

    def wait(self) -> None:
        """For a request: it has made none, or the last was answered. A proxy keeps connections for others."""
        if self._is_proxy:
            self._uncount(self._occupancy.proxied)
        else:
            self._occupancy.waiting[self] = None

    def ask(self, headers: Sequence[tuple[bytes, bytes]]) -> str:
        """The head of a request has come. Whom a proxy asks for, else "". Raises TooManyConnections."""
        if not self._is_proxy:
            self._occupancy.waiting.pop(self, None)
            return ""
        self._uncount(self._occupancy.proxied)
        client = self._occupancy.proxies.client(headers)
        self._site = site_of(client)
        self._check(self._occupancy.proxied)
        self._add(self._occupancy.proxied)
        return client

    def stream(self) -> None:
        """From now on it is told, by SSE. Raises Full."""
        self._begin(self._occupancy.streams)

    def socket(self) -> None:
        """The same by WebSocket."""
        self._begin(self._occupancy.sockets)

    @contextmanager
    def unknown(self) -> Iterator[None]:
        """A socket that says first who it is. Raises Full."""
        self._begin(self._occupancy.unknown)
        try:
            yield
        finally:
            self._uncount(self._occupancy.unknown)

    def make_room(self) -> None:
        """Others need the place."""
        self.leave()
        self._hang_up()

    def may_linger(self) -> bool:
        """Turned away, it may stay to hear why. If not, it is to be hung up on."""
        if self._occupancy.leaving.full:
            return False
        self._add(self._occupancy.leaving)
        return True

    def leave(self) -> None:
        """The connection is over; said twice, it is fine."""
        self._occupancy.waiting.pop(self, None)
        while self._counted:
            tally, site = self._counted.popitem()
            tally.remove(site)

    def _begin(self, tally: Tally) -> None:
        if tally.full or tally.is_full_for(self._site):
            raise Full(Close.TOO_MANY)
        self._add(tally)

    def _check(self, tally: Tally) -> None:
        if tally.is_full_for(self._site):
            raise TooManyConnections(headers={"Retry-After": "2"})

    def _add(self, tally: Tally) -> None:
        self._counted[tally] = self._site
        tally.add(self._site)

    def _uncount(self, tally: Tally) -> None:
        if tally in self._counted:
            tally.remove(self._counted.pop(tally))
