"""Whom a connection counts for: its peer, or the client that a proxy names which the operator trusts.

Anybody can send `X-Forwarded-For` or `Forwarded` (RFC 7239), so it is read from trusted proxies alone, from its end:
what stands there was written by the proxy, what stands before it may be the client's invention.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, TypeAlias

from app.limits import Network

Address: TypeAlias = IPv4Address | IPv6Address

MOST_HOPS: Final = 16
MOST_BYTES: Final = 2_048
"""Of the header, from its end: what is looked at, and remembered."""
ONE_SITE_BITS: Final = 64
"""Of an IPv6 address: the rest is the client's to choose (RFC 4291 section 2.5.4)."""

_FOR = re.compile(r"(?:^|;)\s*for=\"?([^\";]*)", re.IGNORECASE)


@lru_cache(maxsize=4096)
def site_of(text: str) -> str:
    """What an address is counted as: itself, of IPv6 its /64. "" for what is none, as a Unix socket's."""
    address = _address(text)
    return "" if address is None else _site(address)


class Proxies:
    """Those that are trusted, and the header in which they say for whom they ask."""

    def __init__(self, trusted: tuple[Network, ...], header: str) -> None:
        self._trusted = trusted
        self._header = header.encode()
        self._forwarded = lru_cache(maxsize=4096)(self._read)

    def trust(self, peer: str) -> bool:
        """Whether it is one of them."""
        address = _address(peer) if self._trusted else None
        return address is not None and self._is_ours(address)

    def client(self, headers: Sequence[tuple[bytes, bytes]]) -> str:
        """The address that a trusted proxy names; "" where it names none."""
        return self._forwarded(b",".join([value for name, value in headers if name == self._header])[-MOST_BYTES:])

    def _read(self, value: bytes) -> str:
        """The last that is no proxy of ours; of proxies alone the first."""
        client = ""
        for hop in reversed(value.decode("latin-1").split(",")[-MOST_HOPS:]):
            address = _address(self._node(hop))
            if address is None:
                break
            client = str(address)
            if not self._is_ours(address):
                break
        return client

    def _node(self, hop: str) -> str:
        if self._header != b"forwarded":
            return hop
        found = _FOR.search(hop)
        return found[1] if found else ""

    def _is_ours(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)


def _address(text: str) -> Address | None:
    """An address with or without a port, brackets or a zone; IPv4 within IPv6 as what it is."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _site(address: Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    rest = 128 - ONE_SITE_BITS
    return f"{IPv6Address(int(address) >> rest << rest)}/{ONE_SITE_BITS}"
