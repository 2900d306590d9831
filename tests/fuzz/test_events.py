"""Whatever a handler says, its events stay what they are: on no wire does one end early, or another one begin."""

import json
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.client.eventstream import Parser
from app.display.sentences import clean
from app.events import RESERVED, Event, is_custom_name, json_text
from app.hub.wire import LINES, SSE, BarWire
from app.jobs import Status, new_job_id
from tests.fuzz.hostile import hard, objects, values, words
from tests.test_bar import job
from workers.run import entries
from workers.run.entries import Bounds, Entry

BOUNDS = Bounds(16 << 10, 8 << 10, 256 << 10)
JOB = new_job_id()

NAMES = st.from_regex(r"[a-z][a-z0-9_.]{0,20}", fullmatch=True).filter(lambda name: name not in RESERVED)

said = st.one_of(
    st.builds(entries.custom, st.just(BOUNDS), NAMES, objects),
    st.builds(entries.log, st.just(BOUNDS), words, st.sampled_from(entries.LEVELS)),
    st.builds(
        entries.progress, st.just(BOUNDS), st.floats(0, 100), st.one_of(st.none(), words), st.none(), st.just(None)
    ),
    st.builds(lambda value: Entry("completed", json_text({"result": value})), values),
)


def events_of(told: Sequence[Entry]) -> list[Event]:
    return [Event(JOB, seq, entry.type, 1_700_000_000_000, entry.data) for seq, entry in enumerate(told, 1)]


def meant(event: Event) -> dict[str, Any]:
    return {"job_id": JOB, "seq": event.seq, "type": event.type, "data": json.loads(event.data)}


def read(line: str) -> dict[str, Any]:
    told = json.loads(line)
    del told["at"]
    return dict(told)


@hard
@given(st.lists(said, min_size=1, max_size=5), st.lists(st.integers(0, 2_000), max_size=8))
def test_an_event_stream_holds_the_events_and_no_other(told: list[Entry], cuts: list[int]) -> None:
    events = events_of(told)
    body = SSE.encode(events)["body"]
    assert not {byte for byte in body if byte < 0x20} - {0x0A}
    parser = Parser()
    places = [0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]
    chunks = [body[start:end] for start, end in pairwise(places)]
    dispatched = [event for chunk in chunks for event in parser.feed(chunk)]
    assert [(event.type, event.last_event_id) for event in dispatched] == [(e.type, str(e.seq)) for e in events]
    assert [read(event.data) for event in dispatched] == list(map(meant, events))


@hard
@given(st.lists(said, min_size=1, max_size=5))
def test_whatever_a_reader_takes_for_the_end_of_a_line_it_reads_the_same(told: list[Entry]) -> None:
    """Python's `splitlines`, which several clients use, knows eight more than the standard does."""
    events = events_of(told)
    body = SSE.encode(events)["body"].decode()
    assert body.splitlines() == body.split("\n")[:-1]
    frame = LINES.encode(events)["text"]
    assert list(map(read, frame.splitlines())) == list(map(meant, events))


@hard
@given(st.lists(said, min_size=1, max_size=5))
def test_a_bar_moves_no_cursor_but_its_own(told: list[Entry]) -> None:
    text = BarWire(job(Status.PROCESSING)).encode(events_of(told))["body"].decode()
    assert [character for character in text if not character.isprintable() and character not in "\r\n"] == []
    logs = sum(entry.type == "log" for entry in told)
    assert text.count("\n") == logs


@hard
@given(words)
def test_a_name_a_handler_may_use_breaks_out_of_nothing(name: str) -> None:
    if is_custom_name(name):
        assert re.fullmatch(r"[a-z][a-z0-9_.]{0,63}", name)
        assert name not in RESERVED


@hard
@given(st.text())
def test_a_log_line_is_one_line_without_controls(line: str) -> None:
    told = json.loads(entries.log(BOUNDS, line, "info").data)["line"]
    assert not re.search(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]", told)
    assert len(told.splitlines()) <= 1


@hard
@given(words)
def test_what_the_command_line_shows_moves_no_cursor(text: str) -> None:
    assert [character for character in clean(text) if not character.isprintable() and character not in "\t\n"] == []
