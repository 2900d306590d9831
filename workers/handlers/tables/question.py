"""One report: the query run over its inputs, its result written, and a page beside it. Called by `report`."""

import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from workers import Context, Failed
from workers.handlers.tables import source
from workers.handlers.tables.database import Database
from workers.handlers.tables.limits import Limits
from workers.handlers.tables.preview import ROWS, Column, is_number, preview
from workers.handlers.tables.statement import reading
from workers.handlers.tables.watch import watched
from workers.handlers.tables.words import identifier, text

CONTENT_TYPES: Final = {
    "parquet": "application/vnd.apache.parquet",
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
QUERIED_PERCENT: Final = 95
MOST_COLUMNS: Final = 1_000
MOST_CHARACTERS: Final = 100
FETCHED_ROWS: Final = 1_000

AS_THEY_ARE: Final = ("BOOLEAN", "DATE", "TIME", "TIMESTAMP", "VARCHAR")
"""With numbers the types that a workbook's cell can hold; others are written as DuckDB words them."""

WHOLE: Final = "DECIMAL(38,0)"


class Question:
    """`answer` once."""

    def __init__(self, ctx: Context, sql: str, inputs: Mapping[str, str], format: str) -> None:
        self._ctx = ctx
        self._sql = sql
        self._inputs = inputs
        self._format = format
        self._spool = ctx.scratch / ("result.csv" if format == "csv" else "result.parquet")

    def answer(self) -> dict[str, Any]:
        """The job's result. Raises Failed for whatever the query, the inputs or the limits are at fault for."""
        began = time.monotonic()
        self._ctx.progress(0, "reading the inputs")
        paths = {name: self._ctx.open_input(input).resolve() for name, input in self._inputs.items()}
        with Database(paths, Limits.of("report"), self._ctx.scratch) as database:
            database.lock([self._spool, *(file for path in paths.values() for file in source.files(path))])
            columns, rows = copied(database, self._sql, self._spool, self._tell)
            self._ctx.progress(QUERIED_PERCENT, "storing")
            self._save(database, columns, rows)
        shown = [{"name": name[:MOST_CHARACTERS], "type": type_[:MOST_CHARACTERS]} for name, type_ in columns]
        return {"rows": rows, "columns": shown, "seconds": round(time.monotonic() - began, 3)}

    def _tell(self, percent: float, left: float | None) -> None:
        self._ctx.progress(percent * QUERIED_PERCENT / 100, "querying", left)

    def _save(self, database: Database, columns: list[Column], rows: int) -> None:
        made = self._workbook(database, columns, rows) if self._format == "xlsx" else self._spool
        self._ctx.save(f"report.{self._format}", made, CONTENT_TYPES[self._format], main=True)
        page = preview(self._sql, columns, self._first_rows(database, columns), rows)
        self._ctx.save("report.html", page.encode(), "text/html; charset=utf-8")

    def _workbook(self, database: Database, columns: list[Column], rows: int) -> Path:
        from workers.handlers.tables import sheet  # noqa: PLC0415  slow to import, and seldom wanted

        if rows > sheet.MOST_ROWS:
            raise Failed(
                f"XLSX holds {sheet.MOST_ROWS:,} rows, this has {rows:,}: ask for parquet or csv.", code="xlsx_limit"
            )
        path = self._ctx.scratch / "result.xlsx"
        sheet.write(path, [name for name, _ in columns], self._cells(database, columns, rows))
        return path

    def _cells(self, database: Database, columns: list[Column], rows: int) -> Iterator[tuple[Any, ...]]:
        selected = ", ".join(_cell(name, type_) for name, type_ in columns)
        cursor = database.connection.execute(f"SELECT {selected} FROM {self._written(columns)}")
        done = 0
        while fetched := cursor.fetchmany(FETCHED_ROWS):
            yield from fetched
            done += len(fetched)
            self._ctx.progress(QUERIED_PERCENT, f"writing row {done:,} of {rows:,}")

    def _first_rows(self, database: Database, columns: list[Column]) -> list[tuple[Any, ...]]:
        texts = ", ".join(f"left(CAST({identifier(name)} AS VARCHAR), 200)" for name, _ in columns)
        return database.run(f"SELECT {texts} FROM {self._written(columns)} LIMIT {ROWS}")

    def _written(self, columns: list[Column]) -> str:
        """The result, to be read again; of a CSV the fields as they are."""
        path = text(str(self._spool))
        if self._format != "csv":
            return f"read_parquet({path})"
        fields = ", ".join(f"{text(name)}: 'VARCHAR'" for name, _ in columns)
        form = "auto_detect = false, header = true, delim = ',', quote = '\"', escape = '\"'"
        return f"read_csv({path}, {form}, columns = {{{fields}}})"


def _whole(query: str, columns: list[Column]) -> tuple[str, list[Column]]:
    """Parquet would make a double of each sum of whole numbers, which may be as large as HUGEINT."""
    sums = [identifier(name) for name, type_ in columns if type_ == "HUGEINT"]
    if not sums:
        return query, columns
    casts = ", ".join(f"CAST({name} AS {WHOLE}) AS {name}" for name in sums)
    shown = [(name, WHOLE if type_ == "HUGEINT" else type_) for name, type_ in columns]
    return f"SELECT * REPLACE ({casts}) {query}", shown


def _cell(name: str, type_: str) -> str:
    whole = is_number(type_) or type_ in AS_THEY_ARE
    return identifier(name) if whole else f"CAST({identifier(name)} AS VARCHAR)"


def copied(
    database: Database, sql: str, target: Path, tell: Callable[[float, float | None], None]
) -> tuple[list[Column], int]:
    """The query's result, written to a file as it comes. Its columns, by name and type, and how many rows it has."""
    # Inside of another query DuckDB itself lets nothing write.
    query = f"FROM ({reading(database, sql)}\n)"
    columns = database.columns(query)
    if len(columns) > MOST_COLUMNS:
        raise Failed(f"A report has at most {MOST_COLUMNS} columns, this has {len(columns)}.", code="too_large")
    if target.suffix == ".parquet":
        query, columns = _whole(query, columns)
    options = "FORMAT csv, HEADER" if target.suffix == ".csv" else "FORMAT parquet, COMPRESSION zstd"
    copy = f"COPY ({query}) TO {text(str(target))} ({options}, USE_TMP_FILE false)"
    ((rows,),) = watched(database.connection, partial(database.run, copy), tell)
    return columns, int(str(rows))
