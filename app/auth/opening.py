"""Whether a service may be open to whoever reaches it. Asked by what starts one: `app/main.py` and the supervisor.

Whom an open one then serves is `app/web/openness.py`'s to say.
"""

from ipaddress import IPv6Address, ip_address
from typing import Final

import structlog

from app.settings import Settings

OPEN_MODES: Final = ("", "off")
OPEN_NOTE: Final = "Open to everybody on this machine, until there is an API key: `tidings keys create NAME` makes one."
WIDE_NOTE: Final = "OPEN TO EVERYBODY WHO REACHES THIS ADDRESS: there is no authentication (TIDINGS_AUTH)."

log = structlog.get_logger()


def why_not_open(settings: Settings) -> str:
    """Why it must not start so; empty where it may."""
    if settings.auth not in OPEN_MODES or is_loopback(settings.host) or settings.allow_open:
        return ""
    return (
        f"Not started: on {settings.host} whoever reaches it could do everything. Set TIDINGS_AUTH=keys and make a key "
        "by `tidings keys create NAME`; or TIDINGS_AUTH=jwt; or listen on 127.0.0.1. Where something else asks who is "
        "there, TIDINGS_ALLOW_OPEN=yes-i-know starts it all the same."
    )


def open_note(settings: Settings) -> str:
    """What whoever starts it is to see; empty where a credential is asked for."""
    if settings.auth not in OPEN_MODES:
        return ""
    return OPEN_NOTE if is_loopback(settings.host) else WIDE_NOTE


def note_open(settings: Settings) -> None:
    """The same for the log."""
    if note := open_note(settings):
        log.warning(note, action="auth.open")


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it."""
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost"
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback
