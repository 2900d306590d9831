"""Which addresses a stranger's URL may lead us to. Asked by `dialer.py` of each address it is about to connect to.

Public is what is left of the unicast space without the special ranges (IANA's registries of RFC 6890), whether or not
those can be reached. Python's own `is_global` knows fewer of them, and not the same in each version.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

SPECIAL_V4: Final = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this host: connects to ourselves
            "10.0.0.0/8",  # private
            "100.64.0.0/10",  # shared by a carrier's customers; a cloud's metadata
            "127.0.0.0/8",  # loopback
            "168.63.129.16/32",  # Azure's host, which only looks public
            "169.254.0.0/16",  # link-local; clouds' metadata
            "172.16.0.0/12",  # private
            "192.0.0.0/24",  # protocol assignments; a cloud's metadata
            "192.0.2.0/24",  # documentation
            "192.31.196.0/24",  # AS112
            "192.52.193.0/24",  # AMT
            "192.88.99.0/24",  # relays of 6to4
            "192.168.0.0/16",  # private
            "192.175.48.0/24",  # AS112
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, and broadcast
        ),
    )
)
GLOBAL_V6: Final = IPv6Network("2000::/3")
"""All that is assigned as global unicast. Loopback, link-local, unique local, site-local, multicast, the discard range,
segment routing (5f00::/16), IPv4-compatible addresses and NAT64's local range (64:ff9b:1::/48) lie outside."""

SPECIAL_V6: Final = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocol assignments: Teredo, benchmarks, ORCHID
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4, which leads to whatever IPv4 address it holds
            "2620:4f:8000::/48",  # AS112
            "3fff::/20",  # documentation
        ),
    )
)
NAT64: Final = IPv6Network("64:ff9b::/96")


class Addresses:
    """Those that may be connected to: the public ones, and whatever lies in `allowed` networks."""

    def __init__(self, allowed: Iterable[str | Network] = ()) -> None:
        """Raises ValueError for what is no network."""
        self._allowed = tuple(map(ip_network, allowed))

    def permit(self, text: str) -> bool:
        """Whether this one, as a socket has it, may be connected to. What is no address may not."""
        try:
            address = meant(ip_address(text))
        except ValueError:
            return False
        return any(address in network for network in self._allowed) or is_public(address)


def meant(address: Address) -> Address:
    """The IPv4 address to which a mapped one (RFC 4291, 2.5.5.2) or one of NAT64 (RFC 6052) leads; else itself.

    Raises ValueError for one within a zone: that is of somebody nearby, and an IPv4 address could not say so.
    """
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            raise ValueError(address)
        if address.ipv4_mapped:
            return address.ipv4_mapped
        if address in NAT64:
            return IPv4Address(address.packed[-4:])
    return address


def is_public(address: Address) -> bool:
    """Whether anybody on the internet could have been meant."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in SPECIAL_V4)
    return address in GLOBAL_V6 and not any(address in network for network in SPECIAL_V6)
