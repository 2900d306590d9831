"""The filters of lists and feeds, as they stand in a query string. Read by the list, the feed and the WebSocket."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import Field
from starlette.datastructures import QueryParams

from app.errors import BadRequest
from app.jobs import STATUSES, Status
from app.shapes.shape import Moment
from app.store import Filter
from app.web.contract import Parameter

LAST_SECOND: Final = 253_402_300_799.0
"""Of the year 9999."""

FILTERS: Final = (
    Parameter("status", "Only jobs of these statuses.", list[Status]),
    Parameter("kind", "Only jobs of these kinds.", list[str]),
    Parameter("tag", "Only jobs that have all of these tags.", list[str]),
)
CREATED_AFTER: Final = Parameter(
    "created_after",
    "Only jobs younger than that: RFC 3339 with an offset, or seconds since 1970.",
    Moment | Annotated[float, Field(ge=0, le=LAST_SECOND)],
)

_NUMBER = re.compile(r"\d+(\.\d*)?(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)


def filter_of(query: QueryParams) -> Filter:
    """`status`, `kind` and `tag`, each repeatable or with commas, and `created_after`. Raises BadRequest."""
    wanted = {name: _words(query.getlist(name)) for name in ("status", "kind", "tag")}
    return _filter(wanted, query.get("created_after"))


def filter_from(members: Mapping[str, Any]) -> Filter:
    """The same from a WebSocket frame's `filter`, whose members are strings or lists of strings. Raises BadRequest."""
    wanted = {}
    for name in ("status", "kind", "tag"):
        value = members.get(name, [])
        values = [value] if isinstance(value, str) else value
        if not isinstance(values, list) or not all(isinstance(word, str) for word in values):
            raise BadRequest(f"`{name}` must be a string or a list of strings.", parameter=name)
        wanted[name] = frozenset(values)
    return _filter(wanted, None)


def _words(values: Iterable[str]) -> frozenset[str]:
    return frozenset(word for value in values for word in value.split(",") if word)


def _filter(wanted: Mapping[str, frozenset[str]], created_after: str | None) -> Filter:
    if unknown := wanted["status"] - STATUSES:
        raise BadRequest(f"`status` is none of ours: {', '.join(sorted(unknown))}.", parameter="status")
    return Filter(wanted["status"], wanted["kind"], wanted["tag"], _created_after(created_after))


def _created_after(text: str | None) -> int:
    """RFC 3339 with an offset, or seconds since 1970, as milliseconds."""
    if text is None:
        return 0
    try:
        return int((_seconds(text) if _NUMBER.fullmatch(text) else _timestamp(text)) * 1000)
    except (ValueError, OverflowError):
        detail = "`created_after` must be RFC 3339 with an offset, or seconds."
        raise BadRequest(detail, parameter="created_after") from None


def _seconds(text: str) -> float:
    if (seconds := float(text)) > LAST_SECOND:
        raise ValueError(f"beyond all jobs: {text}")
    return seconds


def _timestamp(text: str) -> float:
    moment = datetime.fromisoformat(text.replace(" ", "+"))  # a "+" in a query string arrives as a space
    if moment.tzinfo is None:
        raise ValueError(f"of no offset: {text}")
    return moment.timestamp()
