"""One request of which the answer is wanted: what is repeated, how often and when. Used by the client's operations.

Only what is safe to repeat is: what reads, and what has an Idempotency-Key or comes to the same each time.
"""

import random
import uuid
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from pydantic_core import to_json

from app.client.errors import ClientError, Refused, Unreachable, json_object
from app.client.wire import Call, Json, Reply, Wire

RETRY_SECONDS: Final = (0.25, 0.5, 1.0)
"""Waits between the tries of one request, each stretched by up to a half."""

PATIENT_SECONDS: Final = (*RETRY_SECONDS, 2.0, 4.0, 8.0, 15.0, 30.0)
"""For who has nothing better to do than to wait."""

LONGEST_RETRY_AFTER_SECONDS: Final = 10
"""A service that wants to be left alone for longer has refused, as far as one request goes."""

JSON: Final = {"Content-Type": "application/json"}


async def asked(
    wire: Wire, call: Call, *, waits: Sequence[float] = RETRY_SECONDS, longest: float = LONGEST_RETRY_AFTER_SECONDS
) -> Reply:
    """The answer, a success or 304. Raises Refused or Unreachable once repeating does not help."""
    for seconds in waits:
        try:
            return await asked_once(wire, call)
        except ClientError as failure:
            if not failure.heals or failure.retry_after > longest:
                raise
            await wire.pause(max(stretched(seconds), failure.retry_after))
    return await asked_once(wire, call)


async def asked_once(wire: Wire, call: Call) -> Reply:
    """The same for what must not be repeated as it is."""
    reply = await wire.call(call)
    if not (200 <= reply.status < 300 or reply.status == 304):
        raise Refused.by(reply)
    return reply


async def asked_once_for_object(wire: Wire, call: Call) -> Json:
    """The answer as a JSON object, to what must not be repeated."""
    return read_object(await asked_once(wire, call), wire.url)


async def asked_for_object(wire: Wire, call: Call) -> Json:
    """The answer as a JSON object."""
    return read_object(await asked(wire, call), wire.url)


async def posted_once(wire: Wire, path: str, body: Json, idempotency_key: str) -> Json:
    """The same, for what is to happen once however often the request has to be repeated."""
    headers = JSON | {"Idempotency-Key": f'"{idempotency_key or uuid.uuid4()}"'}
    return await asked_for_object(wire, Call("POST", path, headers, to_json(body)))


def posted(path: str, body: Json | None = None) -> Call:
    """A POST, with a JSON object if there is one."""
    return Call("POST", path, JSON, to_json(body)) if body else Call("POST", path)


async def paged(wire: Wire, path: str, member: str, filters: Mapping[str, Any] | None = None) -> AsyncGenerator[Json]:
    """The members of all pages of a list, one after the other."""
    cursor: str | None = ""
    while cursor is not None:
        query = urlencode({**(filters or {}), **({"cursor": cursor} if cursor else {})}, doseq=True)
        page = await asked_for_object(wire, Call("GET", f"{path}?{query}" if query else path))
        for each in page[member]:
            yield each
        cursor = page["next_cursor"]


def read_object(reply: Reply, url: str) -> Json:
    """Raises Unreachable for anything else: it is not our service that answers there."""
    try:
        return json_object(reply.body)
    except ValueError as error:
        raise Unreachable(url, "what answers there is no Tidings", heals=False) from error


def stretched(seconds: float) -> float:
    """Somewhat longer, each time by something else, so that many do not come back together."""
    return seconds * random.uniform(1, 1.5)  # noqa: S311  spreads load, guards nothing
