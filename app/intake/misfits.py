"""What does not fit in a body, said so that it can be mended: where, and how. Called where a body meets its model."""

from collections.abc import Mapping
from typing import Final

from pydantic import ValidationError

from app.intake.params import pointer

MOST_SHOWN: Final = 20
LONGEST_POINTER: Final = 100

MESSAGES: Final[Mapping[str, str]] = {"extra_forbidden": "There is no such field here; leave it out"}
"""By pydantic's type, where its own words do not help the caller of an API."""


def misfits_of(error: ValidationError) -> list[dict[str, str]]:
    """The `errors` of a problem: `pointer` (RFC 6901) and `message`, up to a bound."""
    found = error.errors(include_url=False, include_context=False, include_input=False)[:MOST_SHOWN]
    return [
        {
            "pointer": pointer(*misfit["loc"])[:LONGEST_POINTER],
            "message": MESSAGES.get(misfit["type"], misfit["msg"].removeprefix("Value error, ")),
        }
        for misfit in found
    ]
