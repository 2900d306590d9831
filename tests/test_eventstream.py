import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.client.eventstream import BlockTooLong, Parser, StreamEvent


def parsed(text: str | bytes) -> list[StreamEvent]:
    return Parser().feed(text if isinstance(text, bytes) else text.encode())


def data(text: str | bytes) -> list[str]:
    return [event.data for event in parsed(text)]


def test_an_event_has_its_type_its_data_and_its_id() -> None:
    assert parsed("id: 7\nevent: progress\ndata: {}\n\n") == [StreamEvent("progress", "{}", "7")]


def test_without_a_type_it_is_a_message() -> None:
    assert parsed("data: a\n\n") == [StreamEvent("message", "a", "")]


def test_data_lines_are_joined_by_line_feeds() -> None:
    assert data("data: YHOO\ndata: +2\ndata: 10\n\n") == ["YHOO\n+2\n10"]


def test_one_leading_space_belongs_to_the_syntax_and_no_other() -> None:
    assert data("data:a\n\ndata: a\n\ndata:  a\n\n") == ["a", "a", " a"]


def test_fields_without_a_colon_have_an_empty_value() -> None:
    assert data("data\n\ndata\ndata\n\ndata:") == ["", "\n"]


def test_comments_and_unknown_fields_say_nothing() -> None:
    assert data(": keep-alive\n\nfoo: bar\ndata: a\n:\n\n") == ["a"]


def test_what_has_no_data_is_no_event_but_its_id_stays_in_force() -> None:
    assert parsed("event: x\nid: 1\n\ndata: a\n\n") == [StreamEvent("message", "a", "1")]


def test_an_empty_id_clears_it_and_one_with_nul_is_ignored() -> None:
    events = parsed("id: 1\ndata: a\n\nid: 2\0\ndata: b\n\nid\ndata: c\n\n")
    assert [event.last_event_id for event in events] == ["1", "1", ""]


def test_an_unfinished_event_is_not_told() -> None:
    assert data("data: a\n") == []


def test_a_byte_order_mark_is_skipped_once() -> None:
    assert data(b"\xef\xbb\xbfdata: a\n\n") == ["a"]
    assert data(b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\n") == []


def test_bytes_that_are_no_utf8_are_replaced() -> None:
    assert data(b"data: \xff\n\n") == ["\ufffd"]


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_every_line_end_ends_a_line(end: str) -> None:
    assert data(f"data: a{end}data: b{end}{end}") == ["a\nb"]


@pytest.mark.parametrize("separator", ["\u2028", "\u0085", "\v", "\f", "\x1e"])
def test_nothing_else_ends_a_line(separator: str) -> None:
    assert data(f"data: a{separator}b\n\n") == [f"a{separator}b"]


def test_an_event_is_told_as_soon_as_a_carriage_return_ends_it() -> None:
    parser = Parser()
    assert [event.data for event in parser.feed(b"data: a\r\r")] == ["a"]
    assert [event.data for event in parser.feed(b"\ndata: b\n\n")] == ["b"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [("3000", 3000), ("007", 7), ("5s", None), ("-1", None), ("", None), ("٣", None), ("9" * 5000, None)],
)
def test_retry_is_digits_only(value: str, expected: int | None) -> None:
    parser = Parser()
    parser.feed(f"retry: {value}\n\n".encode())
    assert parser.retry_ms == expected


@pytest.mark.parametrize("text", ["data: " + "a" * 100, "data: a\n" * 100])
def test_an_event_without_end_is_refused(text: str) -> None:
    with pytest.raises(BlockTooLong):
        Parser(limit=99).feed(text.encode())


def test_the_bound_holds_for_one_event_and_not_for_the_stream() -> None:
    parser = Parser(limit=99)
    assert sum(len(parser.feed(b"data: a\n\n: comment\n")) for _ in range(100)) == 100


LINES = st.text(st.sampled_from("aé:\0 \ufeff"), max_size=4)
FIELDS = st.sampled_from(["data", "event", "id", "retry", "", "other"])
STREAMS = st.lists(st.one_of(st.just(""), st.tuples(FIELDS, LINES).map(": ".join))).flatmap(
    lambda lines: st.lists(st.sampled_from(["\n", "\r", "\r\n"]), min_size=len(lines), max_size=len(lines)).map(
        lambda ends: "".join(line + end for line, end in zip(lines, ends, strict=True))
    )
)


@given(STREAMS, st.data())
def test_how_bytes_are_cut_into_chunks_makes_no_difference(text: str, draw: st.DataObject) -> None:
    whole, parser, events = text.encode(), Parser(), []
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        events += parser.feed(whole[start:end])
    assert events == parsed(whole)


@given(st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]))))
def test_what_was_written_as_data_is_read_as_it_was(lines: list[str]) -> None:
    text = "".join(f"data: {line}\n" for line in lines)
    assert data(f"{text}\n") == (["\n".join(lines)] if lines else [])


@given(st.binary())
def test_no_bytes_make_it_fail(chunk: bytes) -> None:
    assert all(not re.search("[\r\0]", event.last_event_id) for event in parsed(chunk))
