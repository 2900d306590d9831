"""Connections to where a webhook goes: the address is checked when it is dialled, and that very address is dialled.

Whatever the URL looks like and whatever its name resolves to, at that moment or a moment before: a socket is made for
one address only, and none is made for one that is not permitted. Used by `client.py`.
"""

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Collection
from concurrent.futures import Future
from errno import EACCES
from typing import Final, TypeAlias, TypeVar

from aiohttp import AddrInfoType, TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult

from workers.webhooks.addresses import Addresses

T = TypeVar("T")

Lookup: TypeAlias = Callable[[str], Collection[str]]
"""The addresses of a host's name, as text. Raises OSError where there are none. It may take its time."""

LOOKUPS_AT_ONCE: Final = 128
"""A name server that does not answer holds one for up to half a minute: more than one owner's share can come to."""
PLACE_SECONDS: Final = 5.0
"""For one of these to be free; what is left of an attempt is for the receiver."""
NAMES_KEPT_SECONDS: Final = 5
"""Who asks for the same name meanwhile shares the answer; what it says is checked again for each connection."""
IDLE_SECONDS: Final = 2.0
"""A kept connection serves what follows soon. Kept for longer, its receiver would close it under our hands."""


class Crowded(Exception):
    """Too many names are being looked up. Nothing was sent, and it says nothing of the receiver."""


class NotPermitted(OSError):
    """The address, or the port, is not one that webhooks are sent to."""


def connector(
    addresses: Addresses,
    ports: Collection[int] = (),
    *,
    lookup: Lookup | None = None,
    tls: ssl.SSLContext | None = None,
) -> TCPConnector:
    """What an HTTP client connects by. No ports: any. `tls` in place of the system's authorities."""

    def socket_for(target: AddrInfoType) -> socket.socket:
        family, type_, protocol, _, (address, port, *_) = target
        if not addresses.permit(str(address)) or (ports and port not in ports):
            raise NotPermitted(EACCES, "not permitted")
        return socket.socket(family, type_, protocol)

    return TCPConnector(
        resolver=Names(lookup or look_up),
        socket_factory=socket_for,
        ssl=tls or True,
        limit=0,  # the deliverer bounds what is under way
        ttl_dns_cache=NAMES_KEPT_SECONDS,
        keepalive_timeout=IDLE_SECONDS,
    )


class Names(AbstractResolver):
    """Looks names up in threads of its own: the loop's are few, and a slow name server would hold them all."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._places = asyncio.Semaphore(LOOKUPS_AT_ONCE)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """All addresses of the host, in the system's order. Raises OSError, and Crowded."""
        try:
            async with asyncio.timeout(PLACE_SECONDS):
                await self._places.acquire()
        except TimeoutError as error:
            raise Crowded from error
        try:
            found = await _in_daemon(self._lookup, host)
        finally:
            self._places.release()
        return [_result(host, address, port) for address in found]

    async def close(self) -> None:
        """Lookups under way end by themselves."""


def look_up(host: str) -> list[str]:
    """As the system does it: hosts file, name servers, and numbers in every notation that inet_aton(3) knows."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except ValueError as error:  # a label that is empty or too long
        raise OSError("not a host") from error
    return list(dict.fromkeys(str(address) for *_, (address, *_) in found))


def _result(host: str, address: str, port: int) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return ResolveResult(
        hostname=host,
        host=address,
        port=port,
        family=family,
        proto=0,
        flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    )


def _in_daemon(function: Callable[[str], T], argument: str) -> asyncio.Future[T]:
    """In a thread that does not keep the process from ending."""
    outcome: Future[T] = Future()
    outcome.set_running_or_notify_cancel()

    def work() -> None:
        try:
            outcome.set_result(function(argument))
        except Exception as error:
            outcome.set_exception(error)

    threading.Thread(target=work, name="lookup", daemon=True).start()
    return asyncio.wrap_future(outcome)
