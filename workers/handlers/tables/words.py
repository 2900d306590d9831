"""How we speak with DuckDB: names and texts quoted, and its errors told without where files lie here."""

from collections.abc import Mapping
from typing import Final

import duckdb

from workers import Failed
from workers.handlers.tables.limits import Limits

CODES: Final[Mapping[type, str]] = {
    duckdb.ParserException: "invalid_sql",
    duckdb.BinderException: "invalid_sql",
    duckdb.CatalogException: "invalid_sql",
    duckdb.PermissionException: "forbidden_sql",
    duckdb.IOException: "unreadable_input",
    duckdb.SerializationException: "unreadable_input",
}


def identifier(name: str) -> str:
    """A name, quoted."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """A string literal."""
    return "'" + value.replace("'", "''") + "'"


def failure(error: duckdb.Error, names: Mapping[str, str], limits: Limits) -> Exception:
    """What the job fails with. `names` are of the inputs, by path. What DuckDB calls its own fault is tried again."""
    said = str(error)
    for path, name in names.items():
        said = said.replace(path, name)
    if isinstance(error, duckdb.InternalException | duckdb.FatalException):
        return error
    if isinstance(error, duckdb.OutOfMemoryException):
        return _out_of_room(said, limits)
    if "No space left" in said:
        return Failed("The disk of the worker is full.", code="disk_full")
    if "configuration has been locked" in said:
        return Failed(said, code="forbidden_sql")
    return Failed(said, code=CODES.get(type(error), "unreadable_input" if "corrupt" in said else "query_failed"))


def _out_of_room(said: str, limits: Limits) -> Failed:
    if "max_temp_directory_size" in said:
        return Failed(
            "It needs more temporary space than it may use: have it read or sort less, or raise the setting "
            f"{limits.setting('TEMP_SPACE')}.",
            code="out_of_temp_space",
        )
    return Failed(
        "It needs more memory than it may use: have it group, join or collect less, or raise the setting "
        f"{limits.setting('MEMORY')}.",
        code="out_of_memory",
    )
