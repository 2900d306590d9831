"""What the wires of both faces need of httpx: where the service is, how to ask it, and what its troubles are to us."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import httpx

from app.client.errors import Unreachable
from app.client.wire import Call, Reply

DIRECT: Final = {f"all://{host}": None for host in ("127.0.0.1", "localhost", "[::1]")}
"""Never through a proxy, whatever the environment says."""

STREAMED: Final = frozenset({200, 206})
"""What else is answered is a refusal or an end, and read whole."""


def checked(url: str) -> str:
    """Without a slash at its end. Raises ValueError for what is no http:// or https:// URL."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ValueError(f"{url!r} is no URL: {error}") from error
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ValueError(f"{url!r} is no http:// or https:// URL")
    return url.rstrip("/")


def manner(url: str, timeout: float, api_key: str) -> Mapping[str, Any]:
    """How to make an httpx client. Where an answer leads to another host, the key does not go there."""
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    return {"base_url": url, "timeout": timeout, "mounts": DIRECT, "headers": headers}


def request(call: Call) -> Mapping[str, Any]:
    """A call in httpx's words."""
    return {"method": call.method, "url": call.path, "headers": dict(call.headers), "content": call.body or None}


def patience(call: Call, timeout: float) -> httpx.Timeout:
    """How long httpx is to wait, at most, for what comes next."""
    return httpx.Timeout(timeout, read=timeout + call.held_seconds)


def reply(response: httpx.Response, body: bytes = b"") -> Reply:
    """An answer in ours."""
    return Reply(response.status_code, response.headers, body)


@contextmanager
def reaching(url: str) -> Iterator[None]:
    """What httpx cannot do is Unreachable."""
    try:
        yield
    except (httpx.TransportError, httpx.DecodingError, httpx.TooManyRedirects) as error:
        raise Unreachable(url, str(error) or type(error).__name__) from error
