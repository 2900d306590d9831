"""The filters of lists and feeds, as they stand in a query string. Read by the list, the feed and the WebSocket."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Annotated, Any, Final

from pydantic import Field
from starlette.datastructures import QueryParams

from app.auth import OPEN, Principal, Reach, Scope
from app.auth.principal import is_owner
from app.clock import LATEST_MS, moment_ms
from app.errors import BadRequest, Forbidden
from app.jobs import EVERYBODY, STATUSES, Status, is_job_id
from app.shapes.shape import JobId, Moment
from app.store import Filter
from app.web.contract import Parameter

REPEATABLE: Final = frozenset({"status", "kind", "tag"})
LAST_SECOND: Final = LATEST_MS / 1000 - 1

FILTERS: Final = (
    Parameter("status", "Only jobs of these statuses.", list[Status]),
    Parameter("kind", "Only jobs of these kinds.", list[str]),
    Parameter("tag", "Only jobs that have all of these tags.", list[str]),
    Parameter(
        "created_after",
        "Only jobs younger than that: RFC 3339 with an offset, or seconds since 1970.",
        Moment | Annotated[float, Field(ge=0, le=LAST_SECOND)],
    ),
)
METADATA: Final = Parameter(
    "metadata", "Only jobs whose metadata say so, as `name:value`.", list[Annotated[str, Field(pattern="^[^:]+:")]]
)

BATCH: Final = Parameter("batch_id", "Only jobs of this batch.", JobId)
OWNER: Final = Parameter(
    "owner", "Jobs of this owner instead of one's own, or of all (`*`); needs the scope `admin`.", str
)
LONGEST_SEARCH: Final = 64
SEARCH: Final = Parameter(
    "q",
    "Only jobs whose id begins with that, or whose kind, tags, metadata or error contain it, in any case.",
    Annotated[str, Field(max_length=LONGEST_SEARCH)],
)

_NUMBER = re.compile(r"\d+(\.\d*)?(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)


def filter_of(query: QueryParams) -> Filter:
    """`status`, `kind` and `tag`, each repeatable or with commas, `metadata` as `name:value`, `created_after`,
    `batch_id` and `q`. Raises BadRequest.
    """
    wanted = {name: _words(query.getlist(name)) for name in REPEATABLE}
    return replace(
        _filter(wanted, query.get("created_after")),
        metadata=tuple(_pair(text) for text in query.getlist("metadata")),
        batch_id=_batch_id(query.get("batch_id", "")),
        text=_search(query.get("q", "")),
    )


def filter_from(members: Mapping[str, Any]) -> Filter:
    """The same from a WebSocket frame's `filter`, whose members are strings or lists of strings. Raises BadRequest."""
    wanted = {}
    for name in REPEATABLE:
        value = members.get(name, [])
        values = [value] if isinstance(value, str) else value
        if not isinstance(values, list) or not all(isinstance(word, str) for word in values):
            raise BadRequest(f"`{name}` must be a string or a list of strings.", parameter=name)
        wanted[name] = frozenset(values)
    return _filter(wanted, None)


def within(reach: Reach | None, wanted: Filter, *, feed: bool = False) -> Filter:
    """What is wanted, of what a token reaches, in a list or a feed, which does not know batches.

    Raises Forbidden for a token that reaches single jobs alone, and for another batch than its own.
    """
    if reach is None or reach.feed:
        return wanted
    if reach.tag:
        return replace(wanted, tags=wanted.tags | {reach.tag})
    if not feed and reach.batch_id and wanted.batch_id in ("", reach.batch_id):
        return replace(wanted, batch_id=reach.batch_id)
    raise Forbidden("This token does not reach lists.")


def owner_in(principal: Principal, asked: object) -> str:
    """Whose jobs a list or a feed is of: one's own, unless an operator asks for another owner's or everybody's.

    Raises BadRequest for what can be no owner, Forbidden for who is no operator. In an open service one's own are all.
    """
    if not asked or asked == principal.owner:
        return principal.owner
    everybody = principal.sight == EVERYBODY
    if asked == EVERYBODY and (everybody or principal == OPEN):
        return principal.sight
    if not everybody:
        raise Forbidden("Other owners' jobs need the scope `admin`.", scope=Scope.ADMIN)
    if not isinstance(asked, str) or not is_owner(asked):
        raise BadRequest("`owner` must be the name of an owner, or `*`.", parameter="owner")
    return asked


def _pair(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not (name and colon):
        raise BadRequest("`metadata` must be a name, a colon and a value.", parameter="metadata")
    return name, value


def _words(values: Iterable[str]) -> frozenset[str]:
    return frozenset(word for value in values for word in value.split(",") if word)


def _filter(wanted: Mapping[str, frozenset[str]], created_after: str | None) -> Filter:
    if unknown := wanted["status"] - STATUSES:
        raise BadRequest(f"`status` is none of ours: {', '.join(sorted(unknown))}.", parameter="status")
    return Filter(wanted["status"], wanted["kind"], wanted["tag"], _created_after(created_after))


def _batch_id(text: str) -> str:
    if text and not is_job_id(text):
        raise BadRequest("`batch_id` must be the id of a batch.", parameter="batch_id")
    return text


def _search(text: str) -> str:
    if len(text) > LONGEST_SEARCH:
        raise BadRequest(f"`q` may have {LONGEST_SEARCH} characters.", parameter="q")
    return text.casefold()


def _created_after(text: str | None) -> int:
    """RFC 3339 with an offset, or seconds since 1970, as milliseconds."""
    if text is None:
        return 0
    try:
        if _NUMBER.fullmatch(text):
            return moment_ms(float(text))
        return moment_ms(text.replace(" ", "+"))  # a "+" in a query arrives as a space
    except ValueError:
        detail = "`created_after` must be RFC 3339 with an offset, or seconds."
        raise BadRequest(detail, parameter="created_after") from None
