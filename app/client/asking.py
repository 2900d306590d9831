"""One request of which the answer is wanted: what is repeated, how often and when. Used by the client's operations.

Only what is safe to repeat comes here: what reads, and what has an Idempotency-Key or comes to the same each time.
"""

import random
from collections.abc import Sequence
from typing import Final

from app.client.errors import ClientError, Refused, Unreachable, json_object
from app.client.steps import Call, Json, Pause, Reply, Steps

RETRY_SECONDS: Final = (0.25, 0.5, 1.0)
"""Waits between the tries of one request, each stretched by up to a half."""

PATIENT_SECONDS: Final = (*RETRY_SECONDS, 2.0, 4.0, 8.0, 15.0, 30.0)
"""For who has nothing better to do than to wait."""

LONGEST_RETRY_AFTER_SECONDS: Final = 10
"""A service that wants to be left alone for longer has refused, as far as one request goes."""

JSON: Final = {"Content-Type": "application/json"}


def asked(
    call: Call, *, waits: Sequence[float] = RETRY_SECONDS, longest: float = LONGEST_RETRY_AFTER_SECONDS
) -> Steps[Reply]:
    """The answer, a success or 304. Raises Refused or Unreachable once repeating does not help."""
    for seconds in waits:
        try:
            return (yield from asked_once(call))
        except ClientError as failure:
            if not failure.heals or failure.retry_after > longest:
                raise
            yield Pause(max(stretched(seconds), failure.retry_after))
    return (yield from asked_once(call))


def asked_once(call: Call) -> Steps[Reply]:
    """The same for what must not be repeated as it is."""
    reply: Reply = yield call
    if not (200 <= reply.status < 300 or reply.status == 304):
        raise Refused.by(reply)
    return reply


def asked_for_object(call: Call, url: str) -> Steps[Json]:
    """The answer as a JSON object."""
    reply = yield from asked(call)
    return read_object(reply, url)


def read_object(reply: Reply, url: str) -> Json:
    """Raises Unreachable for anything else: it is not our service that answers there."""
    try:
        return json_object(reply.body)
    except ValueError as error:
        raise Unreachable(url, "what answers there is no Tidings", heals=False) from error


def stretched(seconds: float) -> float:
    """Somewhat longer, each time by something else, so that many do not come back together."""
    return seconds * random.uniform(1, 1.5)  # noqa: S311  spreads load, guards nothing
