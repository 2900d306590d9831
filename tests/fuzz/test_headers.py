"""Every header we read ourselves: what is malformed is refused or ignored, and nothing else is raised."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import QueryParams

from app.errors import BadRequest, Misdirected, RangeNotSatisfiable, Refusal, UnsupportedTus
from app.jobs import SEQ_DIGITS
from app.web.body import declared_length
from app.web.connection import after_of
from app.web.download import Download
from app.web.filters import filter_of
from app.web.idempotency import HEADER, LONGEST, key_of
from app.web.negotiation import accept_of, has_current, known_seq, preferred
from app.web.openness import Openness
from app.web.prefer import MOST_WAIT_SECONDS, Preferences
from app.web.tusheaders import DIGEST_BYTES, MOST_DIGITS, checksum_of, length_of, metadata_of, number, speaking_tus
from tests.fuzz.hostile import asking, field_values, hard, words

OFFERS = ("text/event-stream", "application/json", "text/plain")
PATIENCE = 20_000


@hard
@given(field_values, st.one_of(st.none(), words))
def test_a_cursor_of_a_stream_is_a_seq_or_nothing(last_event_id: str, after: str | None) -> None:
    query = "" if after is None else str(QueryParams({"after": after}))
    with suppress(BadRequest):
        seq = after_of(asking([("Last-Event-ID", last_event_id)], query))
        assert seq is None or 0 <= seq < 10**SEQ_DIGITS


@hard
@given(st.lists(field_values, max_size=2))
def test_an_idempotency_key_is_printable_and_bounded_or_refused(fields: list[str]) -> None:
    with suppress(BadRequest):
        key = key_of(asking([(HEADER, value) for value in fields]))
        assert len(key) <= LONGEST
        assert key.isascii()
        assert key.isprintable()
        assert bool(key) is bool(fields)


@hard
@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=LONGEST))
def test_a_quoted_key_is_read_as_it_was_meant(key: str) -> None:
    quoted = key.replace("\\", "\\\\").replace('"', '\\"')
    assert key_of(asking([(HEADER, f'"{quoted}"')])) == key


@hard
@given(st.lists(field_values, max_size=3))
def test_a_preference_is_understood_or_ignored(fields: list[str]) -> None:
    wanted = Preferences.of(asking([("Prefer", value) for value in fields]))
    assert 0 <= wanted.wait <= MOST_WAIT_SECONDS


@hard
@given(st.integers(0, 10**6), st.sampled_from(["wait={}", " Wait = {} ", 'x=";wait=9,", wait="{}"', ",,wait={};a=b"]))
def test_a_wait_is_found_wherever_it_stands(seconds: int, form: str) -> None:
    assert Preferences.of(asking([("Prefer", form.format(seconds))])).wait == min(seconds, MOST_WAIT_SECONDS)


@hard
@given(st.lists(field_values, max_size=3))
def test_accept_chooses_an_offer_or_none(fields: list[str]) -> None:
    assert preferred(accept_of(asking([("Accept", value) for value in fields])), OFFERS) in {*OFFERS, None}


@hard
@given(st.lists(field_values, max_size=3), st.integers(0, 10**6))
def test_entity_tags_name_this_one_or_another(fields: list[str], seq: int) -> None:
    request = asking([("If-None-Match", value) for value in fields])
    known = known_seq(request)
    assert known is None or 0 <= known < 10**SEQ_DIGITS
    assert has_current(request, f'"{seq}"') in (True, False)
    assert has_current(asking([("If-None-Match", f'W/"x", "{seq}"')]), f'"{seq}"')


@hard
@given(st.one_of(field_values, field_values.map("bytes={}".format)), st.integers(1, 10**12))
def test_a_range_lies_within_the_file_or_is_ignored_or_refused(text: str, size: int) -> None:
    with suppress(RangeNotSatisfiable):
        for start, end in Download._parse_range_header(text, size):
            assert 0 <= start < end <= size


@hard
@given(field_values)
def test_a_length_is_a_number_or_refused(text: str) -> None:
    with suppress(BadRequest):
        assert 0 <= declared_length(asking([("Content-Length", text)])) < 10**20


@hard
@given(field_values, st.sampled_from(["Upload-Length", "Upload-Offset"]))
def test_a_count_of_tus_is_a_number_or_refused(text: str, header: str) -> None:
    for read in (lambda request: number(request, header), length_of):
        with suppress(BadRequest):
            assert 0 <= read(asking([(header, text)])) < 10**MOST_DIGITS


@hard
@given(st.one_of(field_values, st.tuples(st.sampled_from([*DIGEST_BYTES]), field_values).map(" ".join)))
def test_a_checksum_has_the_bytes_of_its_algorithm_or_is_refused(text: str) -> None:
    with suppress(BadRequest):
        checksum = checksum_of(asking([("Upload-Checksum", text)]))
        assert checksum
        assert len(checksum.digest) == DIGEST_BYTES[checksum.algorithm]


@hard
@given(st.one_of(field_values, st.lists(field_values.map("filename {}".format), max_size=3).map(",".join)))
def test_metadata_are_text_by_name_or_refused(text: str) -> None:
    with suppress(BadRequest):
        for name, value in metadata_of(asking([("Upload-Metadata", text)])).items():
            assert name.isascii()
            assert value.encode().decode() == value


@hard
@given(field_values, st.sampled_from(["GET", "POST", "PATCH"]))
def test_another_version_of_tus_is_refused(version: str, method: str) -> None:
    with suppress(UnsupportedTus), speaking_tus(asking([("Tus-Resumable", version)], method=method)):
        assert version == "1.0.0"


@hard
@given(st.lists(st.tuples(st.sampled_from(["status", "kind", "tag", "metadata", "created_after", "batch_id"]), words)))
def test_filters_are_understood_or_refused(pairs: list[tuple[str, str]]) -> None:
    with suppress(Refusal):
        assert filter_of(QueryParams(pairs)).created_after_ms >= 0


@pytest.mark.parametrize(
    "part", ['"', '\\"', "a=", ';"', ',"', "a;", ", ", "\t", 'a="\\', "q=0.", "*/*;", "x/y,", '"\\', "a=b;c"]
)
def test_no_header_takes_longer_than_it_is_long(part: str) -> None:
    """Where a pattern went back and forth, this would not end within the test's time."""
    text = part * (PATIENCE // len(part))
    request = asking([(name, text) for name in ("Accept", "Prefer", "If-None-Match", HEADER, "Upload-Metadata")])
    Preferences.of(request)
    preferred(accept_of(request), OFFERS)
    has_current(request, '"1"')
    for read in (key_of, metadata_of):
        with suppress(BadRequest):
            read(request)


@hard
@given(st.one_of(field_values, field_values.map("localhost{}".format), field_values.map("[{}]:80".format)))
def test_a_host_is_one_of_this_machine_or_misdirected(host: str) -> None:
    with suppress(Misdirected):
        Openness().check(asking([("Host", host)]))


@hard
@given(st.text("localhst0127.:-", max_size=30))
def test_no_name_of_another_domain_passes_for_one_of_this_machine(name: str) -> None:
    with pytest.raises(Misdirected):
        Openness().check(asking([("Host", f"{name}.example")]))
