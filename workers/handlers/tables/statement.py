"""Whether SQL is one statement that only reads. DuckDB's own parser tells; the lock of the database holds besides."""

from collections.abc import Iterator
from typing import Any, Final, NoReturn

import duckdb
from pydantic_core import from_json

from workers import Failed
from workers.handlers.tables.database import Database
from workers.handlers.tables.words import failure

READING: Final = {"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"}
"""The nodes of DuckDB's syntax tree that are queries; others are what `WITH x AS (INSERT …)` holds."""


def reading(database: Database, sql: str) -> str:
    """The statement, without the semicolon at its end. Raises Failed for any that is not one query."""
    try:
        statements = database.connection.extract_statements(sql)
    except duckdb.Error as error:
        raise failure(error, database.names, database.limits) from error
    if len(statements) != 1:
        _refuse(f"SQL is exactly one statement, this is {len(statements)}.")
    match statements[0].type:
        case duckdb.StatementType.SELECT:
            _refuse_writing(database, sql)
            return _without_end(sql)
        case duckdb.StatementType.MULTI:
            _refuse("PIVOT needs its columns named: PIVOT … ON column IN (…).")
        case other:
            _refuse(f"SQL may only read: SELECT, FROM, WITH, VALUES, DESCRIBE, SUMMARIZE; this is {other.name}.")


def _refuse_writing(database: Database, sql: str) -> None:
    ((tree,),) = database.connection.execute("SELECT json_serialize_sql($1::VARCHAR)", [sql]).fetchall()
    parsed = from_json(tree)
    if parsed["error"] or not set(_nodes(parsed)) <= READING:
        _refuse("SQL may only read; a part of this writes.")


def _nodes(tree: Any) -> Iterator[str]:
    waiting = [tree]
    while waiting:
        match waiting.pop():
            case dict() as members:
                kind = members.get("type")
                if isinstance(kind, str) and kind.endswith("_NODE"):
                    yield kind
                waiting.extend(members.values())
            case list() as items:
                waiting.extend(items)


def _without_end(sql: str) -> str:
    """Up to the first semicolon that is none of a text's or a comment's; nothing but comments follows it."""
    encoded = sql.encode()
    semicolons = [start for start, kind in duckdb.tokenize(sql) if encoded[start : start + 1] == b";"]
    return encoded[: semicolons[0]].decode() if semicolons else sql


def _refuse(message: str) -> NoReturn:
    raise Failed(message, code="forbidden_sql")
