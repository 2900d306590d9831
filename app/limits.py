"""What a client may ask, and how it is told (IETF draft "RateLimit header fields for HTTP"). Counted in the scripts,
connections by the server (`app/server/occupancy.py`).

Used by the store, which brings an allowance with its answers, and by the doors, which send it on.
"""

from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network
from math import ceil
from typing import Final, NamedTuple, TypeAlias

Network: TypeAlias = IPv4Network | IPv6Network

MOST_CONNECTIONS: Final = 32_768
"""Where no number is set, and there are descriptors for more."""

POLL = "poll"
SUBMIT = "submit"
UPLOAD = "upload"


@dataclass(slots=True)  # not frozen, as one is made for each request (`app/jobs.py`)
class Allowance:
    """How a quota stands after a request: `most` in `window_seconds`, `left` of it, one more in `next_ms`."""

    policy: str
    most: int
    window_seconds: int
    left: int
    next_ms: int

    @property
    def next_seconds(self) -> int:
        """Whole seconds until one more is to be had, at least one."""
        return max(1, ceil(self.next_ms / 1000))

    @property
    def headers(self) -> dict[str, str]:
        """`RateLimit-Policy` and `RateLimit`."""
        return {
            "RateLimit-Policy": f'"{self.policy}";q={self.most};w={self.window_seconds}',
            "RateLimit": f'"{self.policy}";r={self.left};t={self.next_seconds}',
        }


class KeyRate(NamedTuple):
    """How often the key may ask that a request came with; 0 leaves it to what its owner may."""

    key: str = ""
    per_minute: int = 0


UNBOUNDED: Final = KeyRate()


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one key may take, beside what its owner may; 0 sets no bound. Streams are those of one web process."""

    most_streams: int = 0
    submits_per_minute: int = 0
    uploads_per_minute: int = 0


NO_BOUNDS: Final = Bounds()


@dataclass(frozen=True, slots=True)
class Admission:
    """How many submissions an owner may send, how many jobs may not have ended, of one owner and of all, and how far
    ahead one may be due."""

    submits_per_minute: int = 300_000
    most_live_per_owner: int = 100_000
    most_live: int = 1_000_000
    longest_delay_ms: int = 366 * 86_400_000

    def submits(self, left: int, next_ms: int, *, rate: KeyRate = UNBOUNDED) -> Allowance:
        """How the quota of submissions stands: the key's, where it has one."""
        return Allowance(SUBMIT, rate.per_minute or self.submits_per_minute, 60, left, next_ms)


@dataclass(frozen=True, slots=True)
class Shares:
    """How workers share their slots among owners, in each queue. 0 sets no limit."""

    weights: tuple[tuple[str, float], ...] = ()
    most_running_per_owner: int = 0
    starts_per_minute_per_owner: int = 0


@dataclass(frozen=True, slots=True)
class Connections:
    """How many connections a web process holds, in all and of each address, event streams and WebSockets apart; and
    what it asks of them. A number that is 0 follows from the others (`within`)."""

    most: int = 0
    most_per_address: int = 0
    most_streams: int = 0
    most_streams_per_address: int = 0
    most_sockets: int = 0
    most_sockets_per_address: int = 0
    trusted_proxies: tuple[Network, ...] = ()
    proxy_header: str = "x-forwarded-for"
    head_seconds: float = 20
    keep_alive_seconds: float = 30
    frames_per_second: float = 200
    backlog: int = 4096

    @property
    def unknown_sockets(self) -> tuple[int, int]:
        """The most WebSockets that have yet to say who they are, in all and of one address: an eighth of what there may
        be of those that have, but no address has more than three quarters of them."""
        most = max(1, self.most_sockets // 8)
        return most, max(1, min(self.most_sockets_per_address // 8, most * 3 // 4))

    def within(self, affordable: int) -> "Connections":
        """No 0 is left, and there are no more than that. Three quarters of it are the most of anything that was not
        set: neither one address nor one sort of them leaves the others nothing."""
        most = min(self.most or MOST_CONNECTIONS, affordable)
        share = max(1, most * 3 // 4)
        each = self.most_per_address or share
        return replace(
            self,
            most=most,
            most_per_address=each,
            most_streams=self.most_streams or share,
            most_streams_per_address=self.most_streams_per_address or each,
            most_sockets=self.most_sockets or share,
            most_sockets_per_address=self.most_sockets_per_address or each,
        )
