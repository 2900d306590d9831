"""The kind `report`: one query over tables of any size, with DuckDB.

In a process of its own: a query that takes all memory ends that process, not the worker. What it needs is slow to
import, so it is imported there only.
"""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field

from workers import Context, Input, job

Format: TypeAlias = Literal["parquet", "csv", "xlsx"]
Name: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$")]


@job("report", timeout=6 * 3600, max_attempts=2, process=True)
def report(
    ctx: Context,
    *,
    sql: Annotated[
        str, Field(min_length=1, max_length=100_000, title="SQL query", description="One query that only reads.")
    ],
    inputs: Annotated[
        dict[Name, Input], Field(max_length=32, description="The tables by the names they have in the query.")
    ],
    format: Annotated[Format, Field(description="Of the result.")] = "parquet",
) -> dict[str, Any]:
    """Ask Parquet, CSV and JSON files a question in SQL."""
    from workers.handlers.tables.question import Question  # noqa: PLC0415  see above

    return Question(ctx, sql, inputs, format).answer()
