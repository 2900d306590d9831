"""Whom an open service serves: who asks it on this machine, and calls it by a name of its own.

A page on the internet may have its name lead to 127.0.0.1 (DNS rebinding). Its browser then takes our answers for that
page's, with no other origin in sight; `Host` alone gives it away. And `create_app` may run under a server that listens
further than our own would (`app/auth/opening.py`). Asked by `app/web/gate.py` wherever nobody has to show a credential.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_address
from typing import Self
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from app.auth.opening import is_loopback
from app.errors import Misdirected
from app.settings import Settings

_HOST = re.compile(r"(\[(?P<address>[0-9a-f:.]+)\]|(?P<name>[\w.-]*?)\.?)(:\d*)?", re.ASCII)


class Openness:
    """`names` are those by which it may be asked beside this machine's; `everywhere` lets others reach it."""

    def __init__(self, names: Iterable[str] = (), *, everywhere: bool = False) -> None:
        self._names = frozenset(name.lower() for name in names)
        self._everywhere = everywhere
        self._why_not = lru_cache(maxsize=64)(self._look)  # most requests name the same

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """As the settings have it."""
        own = (settings.host, urlsplit(settings.public_url).hostname or "", *settings.allowed_hosts)
        return cls(filter(None, own), everywhere=bool(settings.allow_open))

    def check(self, connection: HTTPConnection) -> None:
        """Raises Misdirected."""
        server = connection.scope.get("server")
        address = server[0] if server and server[1] is not None else ""  # a Unix socket has no port
        if why_not := self._why_not(address, connection.headers.get("host", "")):
            raise Misdirected(why_not)

    def _look(self, address: str, host: str) -> str:
        if address and not (self._everywhere or is_loopback(address)):
            return "Without authentication this machine alone is served; TIDINGS_AUTH turns that on."
        if not self._is_own(host):
            return "It is asked by a name that is none of its own; TIDINGS_ALLOWED_HOSTS adds one."
        return ""

    def _is_own(self, host: str) -> bool:
        """An address cannot be made to lead elsewhere, and a browser leaves nothing out."""
        if not host:
            return True
        parts = _HOST.fullmatch(host.lower())
        name = parts["address"] or parts["name"] if parts else ""
        return name in self._names or is_local(name) or _is_address(name)


def is_local(name: str) -> bool:
    """Whether a name is this machine's everywhere (RFC 6761 section 6.3)."""
    return name == "localhost" or name.endswith(".localhost")


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
