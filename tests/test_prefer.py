"""RFC 7240: what a client may write, and what of it counts."""

import pytest
from starlette.requests import Request

from app.web.prefer import Preferences, applied


def preferences(*lines: str) -> Preferences:
    headers = [(b"prefer", line.encode("latin-1")) for line in lines]
    return Preferences.of(Request({"type": "http", "headers": headers}))


NONE = Preferences()
ASYNC = Preferences(respond_async=True)


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        pytest.param([], NONE, id="no header"),
        pytest.param([""], NONE, id="an empty header"),
        pytest.param(["respond-async"], ASYNC, id="a bare name"),
        pytest.param(["Respond-ASYNC, WAIT=7"], Preferences(True, 7), id="names in any case"),
        pytest.param(["wait=5"], Preferences(wait=5), id="a value"),
        pytest.param(["wait = 5"], Preferences(wait=5), id="spaces around the sign"),
        pytest.param(["\twait\t=\t5\t"], Preferences(wait=5), id="tabs around everything"),
        pytest.param(['wait="5"'], Preferences(wait=5), id="a quoted value"),
        pytest.param(['wait="\\5"'], Preferences(wait=5), id="an escape in it"),
        pytest.param(["wait=05"], Preferences(wait=5), id="a leading zero"),
        pytest.param(["respond-async, wait=5"], Preferences(True, 5), id="a list"),
        pytest.param(["wait=5", "respond-async"], Preferences(True, 5), id="several lines"),
        pytest.param([" , ,wait=5,,"], Preferences(wait=5), id="empty elements"),
        pytest.param(['wait=5; foo=bar; baz;;q="a,b" , respond-async'], Preferences(True, 5), id="parameters"),
        pytest.param(["respond-async;wait=9"], ASYNC, id="a parameter is no preference"),
        pytest.param(['foo="a, wait=9", wait=5'], Preferences(wait=5), id="a comma in quotes"),
        pytest.param(['foo="a\\", wait=9", wait=5'], Preferences(wait=5), id="an escaped quote in quotes"),
        pytest.param(["wait=5, wait=9"], Preferences(wait=5), id="the first counts"),
        pytest.param(["wait=5", "Wait=9"], Preferences(wait=5), id="the first line counts"),
        pytest.param(["wait=soon, wait=9"], NONE, id="the first counts, even if it says nothing"),
        pytest.param(['respond-async=""'], ASYNC, id="an empty value is none"),
        pytest.param(["respond-async=no"], NONE, id="a value where none belongs"),
        pytest.param(["handling=lenient, return=minimal, wait=5"], Preferences(wait=5), id="unknown ones"),
        pytest.param(["wait=0"], NONE, id="no wait"),
        pytest.param(["wait"], NONE, id="a wait of nothing"),
        pytest.param(["wait=60"], Preferences(wait=60), id="the longest"),
        pytest.param(["wait=61"], Preferences(wait=60), id="longer than the longest"),
        pytest.param(["wait=" + "9" * 5000], Preferences(wait=60), id="very long"),
        pytest.param(["wait=" + "0" * 5000 + "5"], Preferences(wait=5), id="very many zeros"),
        pytest.param(["wait=-5"], NONE, id="negative"),
        pytest.param(["wait=1.5"], NONE, id="a fraction"),
        pytest.param(["wait=²"], NONE, id="a digit that is no number"),
        pytest.param(["wait=5s"], NONE, id="a unit"),
        pytest.param(["wait 5, respond-async"], ASYNC, id="malformed: no sign"),
        pytest.param(["=5, respond-async"], ASYNC, id="malformed: no name"),
        pytest.param(["wait=, respond-async"], ASYNC, id="malformed: no value"),
        pytest.param(['wait="5, respond-async'], ASYNC, id="malformed: no closing quote"),
        pytest.param(['wait="5"5, respond-async'], ASYNC, id="malformed: more behind the quote"),
        pytest.param(["é=1, respond-async"], ASYNC, id="malformed: no token"),
    ],
)
def test_what_counts_of_the_header(lines: list[str], wanted: Preferences) -> None:
    assert preferences(*lines) == wanted


@pytest.mark.timeout(10)
@pytest.mark.parametrize("part", ['a="\\"', 'a="', '"', '\\"', "a;", "a; ", "a=b;", "a ", ",", ' a="x,', "a\t="])
def test_a_hostile_header_takes_no_time_to_speak_of(part: str) -> None:
    assert preferences(part * (60_000 // len(part)) + "!=,respond-async") in (NONE, ASYNC)


@pytest.mark.parametrize(
    ("respond_async", "wait", "header"),
    [
        (False, 0, {}),
        (True, 0, {"Preference-Applied": "respond-async"}),
        (False, 60, {"Preference-Applied": "wait=60"}),
        (True, 5, {"Preference-Applied": "respond-async, wait=5"}),
    ],
)
def test_what_was_honoured_is_told(respond_async: bool, wait: int, header: dict[str, str]) -> None:
    assert applied(respond_async=respond_async, wait=wait) == header
