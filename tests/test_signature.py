from datetime import date, timedelta
from typing import Annotated, Any, Literal

import jsonschema_rs
import pytest
from pydantic import BaseModel, Field
from pydantic_core import from_json

from workers import Context, Input
from workers.signature import InvalidParams, Signature, is_plain


class Box(BaseModel):
    width: int
    day: date | None = None


def rich(
    ctx: Context,
    source: Input,
    files: dict[str, Input],
    mode: Literal["fast", "good"] = "fast",
    count: Annotated[int, Field(ge=1, le=9, description="How many.")] = 3,
    height: int | None = None,
    box: Box | None = None,
    *,
    anything: Any = None,
) -> None: ...


PARAMS = '{"source": "upload:a", "files": {"x": "upload:b"}'


def test_the_schema_is_what_the_signature_says() -> None:
    schema = Signature(rich).schema
    properties = schema["properties"]
    assert schema["required"] == ["source", "files"]
    assert properties["source"] == {"format": "tidings-input", "title": "Source", "type": "string"}
    assert properties["files"]["additionalProperties"] == {"format": "tidings-input", "type": "string"}
    assert properties["mode"]["enum"] == ["fast", "good"]
    assert properties["count"] == {
        **{"default": 3, "description": "How many.", "maximum": 9, "minimum": 1},
        **{"title": "Count", "type": "integer"},
    }
    assert properties["height"]["anyOf"] == [{"type": "integer"}, {"type": "null"}]


def test_the_web_judges_by_the_schema_as_the_worker_does() -> None:
    signature = Signature(rich)
    judge = jsonschema_rs.validator_for(signature.schema)
    for more, fits in [("}", True), (', "count": 0}', False), (', "mode": "odd"}', False), (', "what": 1}', False)]:
        assert judge.is_valid(from_json(PARAMS + more)) is fits
        if fits:
            signature.arguments(PARAMS + more)
        else:
            with pytest.raises(InvalidParams):
                signature.arguments(PARAMS + more)


def test_params_become_arguments_with_their_defaults_and_types() -> None:
    arguments = Signature(rich).arguments(PARAMS + ', "box": {"width": 2, "day": "2026-11-23"}}')
    assert arguments["box"] == Box(width=2, day=date(2026, 11, 23))
    assert (arguments["count"], arguments["mode"], arguments["height"]) == (3, "fast", None)


@pytest.mark.parametrize("params", ["[]", "1", "{", '{"source": 1, "files": {}}', "{}", '{"param_source": "x"}'])
def test_what_does_not_fit_is_refused_with_the_names_of_the_params(params: str) -> None:
    with pytest.raises(InvalidParams) as refused:
        Signature(rich).arguments(params)
    assert "param_" not in str(refused.value).replace("param_source: Extra", "")


def test_a_param_may_have_a_name_that_models_do_not_allow() -> None:
    def odd(ctx: Context, copy: int, schema: int, model_config: int, _private: int) -> None: ...

    arguments = Signature(odd).arguments('{"copy": 1, "schema": 2, "model_config": 3, "_private": 4}')
    assert arguments == {"copy": 1, "schema": 2, "model_config": 3, "_private": 4}


def test_a_handler_without_params_takes_none() -> None:
    def bare(ctx: Context) -> None: ...

    assert Signature(bare).arguments("{}") == {}
    with pytest.raises(InvalidParams):
        Signature(bare).arguments('{"a": 1}')


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ({"a": [1, 2.5, "x", None, True]}, True),
        ({}, True),
        ({"a": date(2026, 1, 1)}, False),
        ({"a": (1, 2)}, False),
        ({1: "a"}, False),
        ([timedelta(1)], False),
    ],
)
def test_plain_is_what_json_brings_back_as_it_was(value: Any, plain: bool) -> None:
    assert is_plain(value) is plain
