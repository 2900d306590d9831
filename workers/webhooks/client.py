"""The HTTP client by which webhooks leave: follows nothing, remembers nothing, and waits for a bounded time.

Used by `sender.py`; where it may connect to is decided in `dialer.py`.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Final, Self

from aiohttp import (
    ClientConnectionError,
    ClientConnectorCertificateError,
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientConnectorSSLError,
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    InvalidURL,
    StreamReader,
    TCPConnector,
)
from yarl import URL

from app.settings import Settings
from workers.webhooks.addresses import Addresses
from workers.webhooks.dialer import NotPermitted, connector

ATTEMPT_SECONDS: Final = 15.0
"""For all of it: name, connection, request and answer."""
ANSWER_BYTES: Final = 64 << 10
"""What is read of an answer's body; with more to come the connection is closed."""
EXCERPT_CHARACTERS: Final = 512

NOWHERE: Final = "The URL leads to no address that webhooks are sent to."
"""Whether the name is unknown or of a forbidden address is not told: that would map our network for strangers."""

REASONS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (NotPermitted, NOWHERE),
    (ClientConnectorDNSError, NOWHERE),
    (ClientConnectorCertificateError, "The receiver's certificate was not accepted."),
    (ClientConnectorSSLError, "The TLS handshake failed."),
    (ConnectionRefusedError, "The connection was refused."),
    (ClientConnectorError, "The connection failed."),
    (ClientConnectionError, "The connection was lost before there was an answer."),
    (InvalidURL, NOWHERE),
    (ClientError, "The answer was not understood as HTTP."),
    (RuntimeError, "The connection failed."),  # as uvloop puts it
    (Exception, NOWHERE),
)
"""The first that fits; of a connector's error also by what the system said."""


class Unanswered(Exception):
    """There was no answer. The text says why, for who is shown the attempt."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`excerpt` is the begin of the body, as text. `retry_after` and `date` are the headers, where they came."""

    status: int
    retry_after: str = ""
    date: str = ""
    excerpt: str = ""

    @classmethod
    def of(cls, response: ClientResponse) -> Self:
        """The head alone."""
        return cls(response.status, response.headers.get("Retry-After", ""), response.headers.get("Date", ""))


class Client:
    """An async context manager. Connections are kept for a moment, and shared by who goes to the same host."""

    def __init__(self, connector: TCPConnector, *, seconds: float = ATTEMPT_SECONDS) -> None:
        self._seconds = seconds
        self._session = ClientSession(
            connector=connector,
            cookie_jar=DummyCookieJar(),
            timeout=ClientTimeout(total=None, sock_connect=None),  # `post` has one for everything
            headers={"Accept": "*/*", "Accept-Encoding": "identity"},
            auto_decompress=False,
            trust_env=False,
        )

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """As the operator wants it. To be made on a running loop."""
        return cls(connector(Addresses(settings.webhook_allow_networks), settings.webhook_ports))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """What the receiver said. A head is an answer, even when its body is torn. Raises Unanswered, or Crowded."""
        answer = None
        try:
            async with (
                asyncio.timeout(self._seconds),
                self._session.post(_checked(url), headers=headers, data=body, allow_redirects=False) as response,
            ):
                answer = Answer.of(response)
                answer = replace(answer, excerpt=_text(await _beginning(response.content)))
        except TimeoutError as error:
            if answer is None:
                raise Unanswered(f"No answer within {self._seconds:g} s.") from error
        except (ClientError, OSError, RuntimeError, ValueError) as error:
            if answer is None:
                raise Unanswered(_reason(error)) from error
        return answer


def _checked(url: str) -> URL:
    """As we send it. Raises InvalidURL for what is not of ours, and ValueError for what is no URL."""
    target = URL(url)
    if target.scheme not in ("http", "https") or not target.raw_host or target.raw_user or target.raw_password:
        raise InvalidURL(url)
    return target


async def _beginning(body: StreamReader) -> bytes:
    read, kept = 0, b""
    while read < ANSWER_BYTES and (piece := await body.read(ANSWER_BYTES - read)):
        read += len(piece)
        kept += piece[: 4 * EXCERPT_CHARACTERS - len(kept)]
    return kept


def _text(body: bytes) -> str:
    """Without what would do something to a terminal that shows it."""
    text = body.decode(errors="replace")[:EXCERPT_CHARACTERS]
    return "".join(char if char.isprintable() or char in "\n\t" else "\N{REPLACEMENT CHARACTER}" for char in text)


def _reason(error: Exception) -> str:
    causes = error, getattr(error, "os_error", None)
    return next(text for kind, text in REASONS if any(isinstance(cause, kind) for cause in causes))
