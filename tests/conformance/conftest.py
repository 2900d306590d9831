"""The real server of `tests/web`, and raw requests, byte for byte, for what a client library would tidy up."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import httpx
import pytest

from tests.web.conftest import address, settings, store, web

__all__ = ["address", "settings", "store", "web"]

JOB = b'{"kind":"anything"}'
JSON = b"Content-Type: application/json"


@dataclass(frozen=True)
class Answer:
    """One answer as it came, names of headers in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def refused(self, status: int, code: str) -> dict[str, Any]:
        """The members of the problem, which must be this one, whole and well-formed."""
        assert self.headers["content-type"] == "application/problem+json"
        assert self.headers["x-content-type-options"] == "nosniff"
        problem: dict[str, Any] = json.loads(self.body)
        assert (self.status, problem["status"], problem["code"]) == (status, status, code)
        assert problem["type"] == f"/docs/errors#{code}"
        assert problem["title"]
        assert problem["detail"]
        return problem


Raw: TypeAlias = Callable[..., Awaitable[Answer]]


async def exchange(address: str, sent: bytes) -> bytes:
    """All that comes back until the server ends the connection."""
    url = httpx.URL(address)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(sent)
    try:
        async with asyncio.timeout(20):
            return await reader.read()
    finally:
        writer.transport.abort()


def first_answer(received: bytes) -> Answer:
    head, _, body = received.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    length = headers.get("content-length")
    return Answer(int(status.split()[1]), headers, body if length is None else body[: int(length)])


@pytest.fixture
def raw(address: str) -> Raw:
    """`raw(b"GET /x", b"Name: value", …, body=b"")`: with a Host, and with a length where there is a body."""

    async def ask(line: bytes, *headers: bytes, body: bytes = b"", host: bytes = b"Host: localhost") -> Answer:
        framed = any(header.lower().startswith((b"content-length:", b"transfer-encoding:")) for header in headers)
        length = [] if framed or not body else [b"Content-Length: %d" % len(body)]
        head = [line + b" HTTP/1.1", *filter(None, [host]), *headers, *length, b"Connection: close", b"", b""]
        return first_answer(await exchange(address, b"\r\n".join(head) + body))

    return ask


@pytest.fixture
def post(raw: Raw) -> Raw:
    """`post(body, b"Name: value", …)`: a submission."""

    async def submit(body: bytes = JOB, *headers: bytes) -> Answer:
        return await raw(b"POST /api/jobs", JSON, *headers, body=body)

    return submit
