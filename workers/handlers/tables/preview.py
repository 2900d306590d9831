"""The page beside a report's file: its first rows as a table, and a chart of them where one makes sense."""

import re
from collections.abc import Sequence
from datetime import datetime
from html import escape
from math import isfinite
from typing import Final

from workers.handlers.tables.charts import Line, bars, curves
from workers.handlers.tables.page import page, paragraph, table

ROWS: Final = 100
MOST_COLUMNS: Final = 50
MOST_BARS: Final = 30

NUMBER: Final = re.compile(r"U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|FLOAT|DOUBLE|DECIMAL(\(\d+, ?\d+\))?")
MOMENTS: Final = ("DATE", "TIMESTAMP")

Column = tuple[str, str]
Row = Sequence[str | None]


def preview(sql: str, columns: Sequence[Column], rows: Sequence[Row], count: int) -> str:
    """An HTML page. The rows are the first of `count`, every value as text."""
    shown = f"{count:,} rows" if count == len(rows) else f"The first {len(rows)} of {count:,} rows"
    if len(columns) > MOST_COLUMNS:
        shown += f", and {MOST_COLUMNS} of {len(columns)} columns"
    few = columns[:MOST_COLUMNS]
    numeric = [is_number(type_) for _, type_ in few]
    return page("Report", _query(sql), chart(columns, rows), paragraph(shown), table(few, rows, numeric))


def chart(columns: Sequence[Column], rows: Sequence[Row]) -> str:
    """Of the first column of numbers, by the first of dates or words; nothing where there is none, or one row."""
    numbers = next((n for n, (_, type_) in enumerate(columns) if is_number(type_)), None)
    moments = next((n for n, (_, type_) in enumerate(columns) if type_.startswith(MOMENTS)), None)
    words = next((n for n, (_, type_) in enumerate(columns) if type_ == "VARCHAR" or type_.startswith("ENUM")), None)
    by = min((n for n in (moments, words) if n is not None), default=None)
    if numbers is None or by is None:
        return ""
    pairs = [
        (label, float(value))
        for row in rows
        if (label := row[by]) and (value := row[numbers]) and isfinite(float(value))
    ]
    if len(pairs) < 2:
        return ""
    title = f"{columns[numbers][0]} by {columns[by][0]}"
    return _over_time(title, pairs) if by == moments else _by_word(title, pairs)


def is_number(type_: str) -> bool:
    """Whether DuckDB's type of that name is one of numbers."""
    return NUMBER.fullmatch(type_) is not None


def _over_time(title: str, pairs: Sequence[tuple[str, float]]) -> str:
    points = sorted((moment.timestamp(), value) for text, value in pairs if (moment := _moment(text)))
    if len({x for x, _ in points}) < 2:
        return _by_word(title, pairs)
    first, last = min(pairs)[0], max(pairs)[0]
    return curves(title, [Line(title, points)], (first, last))


def _by_word(title: str, pairs: Sequence[tuple[str, float]]) -> str:
    if len(pairs) > MOST_BARS:
        title = f"{title}: the first {MOST_BARS}"
    return bars(title, pairs[:MOST_BARS])


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:  # a year that Python does not know, or DuckDB's infinity
        return None


def _query(sql: str) -> str:
    return f"<pre>{escape(sql)}</pre>"
