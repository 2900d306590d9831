from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from app.cli.arguments import ArgumentError, File, param_at, params_of, parse_object, parse_words, put_together


class Clip(BaseModel):
    """As a handler's signature would give it."""

    input: Annotated[str, Field(json_schema_extra={"format": "tidings-input"})]
    height: int | None = None
    speed: float = 1.0
    loud: bool = False
    title: str = "x"
    mark: str | int = ""
    format: Literal["mp4", "webm"] = "mp4"
    parts: list[int] = []
    inner: "Inner | None" = None
    tables: dict[
        Annotated[str, Field(pattern="^t")], Annotated[str, Field(json_schema_extra={"format": "tidings-input"})]
    ] = {}
    sizes: dict[str, int] = {}
    anything: Any = None


class Inner(BaseModel):
    child: "Inner | None" = None


PARAMS = params_of(Clip.model_json_schema())


def value(word: str) -> Any:
    (parsed,) = parse_words([word])
    return parsed.value(param_at(PARAMS, parsed.key))


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("height=720", 720),
        ("height=null", None),
        ("height=tall", "tall"),
        ("speed=1.5", 1.5),
        ("speed=NaN", "NaN"),
        ("loud=yes", True),
        ("loud=False", False),
        ("loud=0", False),
        ("loud=perhaps", "perhaps"),
        ("title=720", "720"),
        ("title=", ""),
        ("title=a=b", "a=b"),
        ("mark=720", "720"),
        ("format=webm", "webm"),
        ("parts=[1, 2]", [1, 2]),
        ('inner={"child": null}', {"child": None}),
        ("anything=1", "1"),
        ("unknown=1", "1"),
        ("unknown:=1", 1),
        ("title:=[true]", [True]),
        ("input=upload:1", "upload:1"),
        ("sizes.a=1", 1),
        ("tables.t=upload:1", "upload:1"),
        ("unknown.a=1", "1"),
    ],
)
def test_a_value_gets_the_type_its_schema_names(word: str, expected: Any) -> None:
    read = value(word)
    assert read == expected
    assert type(read) is type(expected)


def test_an_input_that_is_a_file_is_to_be_uploaded(tmp_path: Path) -> None:
    clip = tmp_path / "clip"
    clip.touch()
    assert value(f"input={clip}") == File(clip)
    assert value(f"input=@{clip}") == File(clip)
    assert value(f"title={clip}") == str(clip)
    assert value(f"title=@{clip}") == File(clip)
    assert value(f"tables.t={clip}") == File(clip)


def test_a_file_may_lie_in_the_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "clip").touch()
    assert value("input=@~/clip") == File(tmp_path / "clip")


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("height", "not key=value"),
        ("=1", "not key=value"),
        (":=1", "not key=value"),
        ("height:=tall", "not JSON"),
        ("height:=NaN", "not JSON"),
        ("input=@nowhere", "no such file"),
        ("input=@.", "no such file"),
    ],
)
def test_a_word_that_makes_no_param_is_refused(word: str, said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        value(word)


def test_members_of_an_object_are_put_together() -> None:
    values = {"sizes": {"a": 1}, "sizes.b": 2, "tables.t": "upload:1", "odd.key": "x", "height": 1}
    together = {"sizes": {"a": 1, "b": 2}, "tables": {"t": "upload:1"}, "odd.key": "x", "height": 1}
    assert put_together(PARAMS, values) == together
    with pytest.raises(ArgumentError, match="no object"):
        put_together(PARAMS, {"height": 1, "height.a": 2})


def test_a_key_comes_once() -> None:
    with pytest.raises(ArgumentError, match="twice"):
        parse_words(["a=1", "a:=2"])


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"1", b'{"a": NaN}'])
def test_params_as_json_are_an_object(text: bytes) -> None:
    with pytest.raises(ArgumentError, match="not"):
        parse_object(text)


def test_params_are_described_in_a_line_each() -> None:
    assert [str(param) for param in PARAMS.values()] == [
        "input: file (required)",
        "height: integer",
        "speed: number = 1.0",
        "loud: boolean = false",
        'title: string = "x"',
        'mark: integer | string = ""',
        'format: "mp4" | "webm" = "mp4"',
        "parts: array = []",
        "inner: object",
        "tables: object = {}",
        "sizes: object = {}",
        "anything: anything",
    ]


def test_a_definition_that_leads_to_itself_leads_nowhere() -> None:
    schema = {"properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}]}}}
    assert str(params_of(schema)["a"]) == "a: anything"


def test_a_schema_without_properties_has_no_params() -> None:
    assert params_of({}) == {}
