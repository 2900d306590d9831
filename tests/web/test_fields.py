"""A request's fields: found as Starlette finds them, whatever the case and however often they came."""

import pytest
from starlette.datastructures import Headers

from app.web.fields import Fields, FieldsRequest

RAW = [(b"accept", b"text/html"), (b"x-name", "é".encode("latin-1")), (b"accept", b"*/*"), (b"empty", b"")]


@pytest.mark.parametrize("name", ["accept", "Accept", "X-Name", "empty", "missing"])
def test_a_field_is_what_starlette_finds(name: str) -> None:
    ours, theirs = Fields({"headers": RAW}), Headers(raw=RAW)
    assert ours.get(name) == theirs.get(name)
    assert ours.get(name, "other") == theirs.get(name, "other")
    assert ours.getlist(name) == theirs.getlist(name)
    assert (name in ours) == (name in theirs)


def test_all_of_them_are_there_in_their_order() -> None:
    ours, theirs = Fields({"headers": RAW}), Headers(raw=RAW)
    assert (ours.items(), ours.raw, len(ours)) == (theirs.items(), theirs.raw, len(theirs))


def test_what_is_missing_raises_as_in_a_mapping() -> None:
    with pytest.raises(KeyError):
        Fields({"headers": RAW})["missing"]


def test_what_is_no_name_is_not_there() -> None:
    number: object = 7
    assert number not in Fields({"headers": RAW})


def test_they_are_made_once_for_a_request_whoever_asks() -> None:
    scope = {"type": "http", "headers": iter(RAW)}
    assert FieldsRequest(scope).headers is Fields.of(scope) is FieldsRequest(scope).headers
