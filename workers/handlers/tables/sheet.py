"""A table as an XLSX workbook, written row by row: its memory does not grow with the table."""

import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import xlsxwriter  # type: ignore[import-untyped]  # it has no types

from workers import Failed

MOST_ROWS: Final = 1_048_575
"""Beside the heads: what the format can hold."""

MOST_CHARACTERS: Final = 32_767
EXACT: Final = 2**53
"""A larger whole number is written as text: a workbook has doubles only."""


def write(path: Path, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Of numbers, texts, dates, times without a zone, and nothing.

    Raises Failed where a text does not fit a cell, OSError when it cannot be written.
    """
    options = {
        "constant_memory": True,
        "tmpdir": str(path.parent),
        "strings_to_formulas": False,  # what comes from strangers is never run
        "strings_to_urls": False,
        "default_date_format": "yyyy-mm-dd hh:mm:ss",
    }
    with xlsxwriter.Workbook(str(path), options) as book:
        sheet = book.add_worksheet("report")
        formats = {
            date: book.add_format({"num_format": "yyyy-mm-dd"}),
            time: book.add_format({"num_format": "hh:mm:ss"}),
        }
        sheet.freeze_panes(1, 0)
        sheet.write_row(0, 0, names, book.add_format({"bold": True}))
        for row, column, value in _cells(rows):
            if value is not None:
                sheet.write(row, column, value, *filter(None, [formats.get(type(value))]))


def _cells(rows: Iterable[Sequence[Any]]) -> Iterator[tuple[int, int, Any]]:
    for n, row in enumerate(rows, start=1):
        for column, value in enumerate(row):
            yield n, column, _cell(value)


def _cell(value: Any) -> Any:
    """What a workbook can hold."""
    match value:
        case int() if abs(value) > EXACT:
            return str(value)
        case Decimal() if abs(value) > EXACT:
            return str(value)
        case float() if not math.isfinite(value):
            return str(value)
        case date() if value.year < 1900:
            return str(value)
        case None | bool() | int() | float() | Decimal() | date() | time():
            return value
        case _:
            return _fitting(str(value))


def _fitting(text: str) -> str:
    if len(text) > MOST_CHARACTERS:
        raise Failed(
            f"A cell of XLSX holds {MOST_CHARACTERS} characters, this text has {len(text)}: shorten it, or ask for "
            "parquet or csv.",
            code="xlsx_limit",
        )
    return text
