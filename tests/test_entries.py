import math

import pytest
from pydantic_core import from_json

from workers.run import entries
from workers.run.entries import Bounds

BOUNDS = Bounds(event_bytes=200, log_line_bytes=60, result_bytes=1000)


@pytest.mark.parametrize(
    ("percent", "told"), [(-1, 0), (0, 0), (33.3333, 33.33), (100, 100), (1e9, 100), (math.inf, 100), (-math.inf, 0)]
)
def test_percent_is_brought_into_its_range(percent: float, told: float) -> None:
    assert from_json(entries.progress(BOUNDS, percent, None, None, None).data) == {"percent": told}


def test_progress_tells_what_it_is_given() -> None:
    entry = entries.progress(BOUNDS, 5, "half", 2.5, {"a": 1})
    assert from_json(entry.data) == {"percent": 5, "message": "half", "eta_seconds": 2.5, "data": {"a": 1}}


@pytest.mark.parametrize("eta", [-1, math.nan, math.inf])
def test_an_eta_is_a_number_of_seconds(eta: float) -> None:
    with pytest.raises(ValueError, match="seconds"):
        entries.progress(BOUNDS, 1, None, eta, None)


def test_a_percent_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="percent"):
        entries.progress(BOUNDS, math.nan, None, None, None)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("plain ünï\ttab", "plain ünï\ttab"),
        ("ended\r\n", "ended"),
        ("two\nlines\rhere", "two\\nlines\\rhere"),
        ("\x1b[2Jcleared\x00\x7f\x9b", "\\x1b[2Jcleared\\x00\\x7f\\x9b"),
        ("\u2028\ud800", "\\u2028\\ud800"),
    ],
)
def test_a_line_cannot_steer_a_terminal_nor_be_two(line: str, told: str) -> None:
    assert from_json(entries.log(BOUNDS, line, "info").data)["line"] == told


@pytest.mark.parametrize("line", ["x" * 1000, "ü" * 1000])
def test_a_long_line_is_cut_and_marked(line: str) -> None:
    told = from_json(entries.log(BOUNDS, line, "info").data)["line"]
    assert len(told.encode()) <= 60
    assert told.endswith(f" … [cut, {len(line.encode())} bytes]")


@pytest.mark.parametrize("name", ["progress", "log", "completed", "snapshot", "artifact", "Metric", "", "x" * 65])
def test_reserved_and_odd_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="may be called"):
        entries.custom(BOUNDS, name, {})


def test_data_over_the_bound_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 200 bytes"):
        entries.custom(BOUNDS, "metric", {"x": "y" * 200})
    with pytest.raises(ValueError, match="at most 200 bytes"):
        entries.progress(BOUNDS, 1, "y" * 200, None, None)


def test_an_event_without_data_has_an_empty_object() -> None:
    assert entries.custom(BOUNDS, "metric", None).data == "{}"
