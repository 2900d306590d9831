"""The words of webhooks: which URL may be called back, of which events a job may tell, what a secret looks like.

Used by the intake, which refuses the rest, and by the store. Which addresses may be dialled is decided when they are.
"""

import os
import re
from base64 import b64decode, b64encode
from typing import Final
from urllib.parse import SplitResult, urlsplit

from app.events import OURS, is_custom_name
from app.jobs import TERMINAL

LONGEST_URL: Final = 2_048
MOST_EVENTS: Final = 20
PORTS: Final = {"http": 80, "https": 443}
"""The schemes, and the port that each means."""

SECRET_PREFIX: Final = "whsec_"  # noqa: S105  # no secret: what one begins with

DEFAULT_EVENTS: Final = tuple(sorted(TERMINAL))
TOLD: Final = OURS - {"position"}
"""The types of events a webhook can be about, beside a handler's own. Of its place a job tells only who asks."""


def checked_url(url: str) -> str:
    """The URL, where something can be sent to it. Raises ValueError."""
    if len(url) > LONGEST_URL or not re.fullmatch(r"[!-\[\]-~]+", url):
        raise ValueError(f"must be at most {LONGEST_URL} printable ASCII characters, others percent-encoded")
    parts = urlsplit(url)
    if parts.scheme not in PORTS or not parts.hostname or not re.fullmatch(r"[a-z0-9._:%-]+", parts.hostname):
        raise ValueError("must be an http or https URL with a host")
    if parts.username is not None or parts.fragment or url.endswith("#"):
        raise ValueError("must have no credentials and no fragment")
    port_of(url)
    return url


def checked_event(name: str) -> str:
    """The name, where a job can tell of such events. Raises ValueError."""
    if name not in TOLD and not is_custom_name(name):
        raise ValueError("must be a type of event a webhook can be about")
    return name


def new_webhook_secret() -> str:
    """Not to be guessed; in the form that verifying libraries take."""
    return SECRET_PREFIX + b64encode(os.urandom(32)).decode()


def is_webhook_secret(text: str) -> bool:
    """Whether it is `whsec_` and 24 to 64 bytes in base64, as Standard Webhooks has it."""
    try:
        return (
            text.startswith(SECRET_PREFIX)
            and 24 <= len(b64decode(text.removeprefix(SECRET_PREFIX), validate=True)) <= 64
        )
    except ValueError:
        return False


def port_of(url: str) -> int:
    """The port that is dialled. Raises ValueError where the URL names none that there is."""
    return _port(urlsplit(url))


def receiver_of(url: str) -> str:
    """Who a URL leads to, as host and port: what attempts under way and failures in a row are counted by."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{_port(parts)}"


def _port(parts: SplitResult) -> int:
    port = parts.port  # raises ValueError itself
    if port == 0:
        raise ValueError("must name a port from 1 to 65535")
    return port or PORTS[parts.scheme]
