"""A route's query parameters, read strictly: what a client meant and misspelt should not be left out in silence.

Called by the doors that define any; the others do not look at the query.
"""

from collections.abc import Set as AbstractSet

from starlette.datastructures import QueryParams
from starlette.requests import HTTPConnection

from app.errors import BadRequest


def parameters(
    connection: HTTPConnection, *, once: AbstractSet[str], many: AbstractSet[str] = frozenset()
) -> QueryParams:
    """Those that say something: an empty one counts as left out.

    Raises BadRequest for one the route does not define, and for one of `once` that comes twice.
    """
    said = [(name, value) for name, value in connection.query_params.multi_items() if value or name not in once | many]
    seen: set[str] = set()
    for name, _ in said:
        shown = name[:64]
        if name not in once | many:
            known = ", ".join(f"`{other}`" for other in sorted(once | many))
            raise BadRequest(f"There is no parameter {shown!r} here, only {known}.", parameter=shown)
        if name in once and name in seen:
            raise BadRequest(f"Send `{shown}` once.", parameter=shown)
        seen.add(name)
    return QueryParams(said)
