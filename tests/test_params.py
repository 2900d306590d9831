import pytest

from app.errors import InvalidParams
from app.intake.params import ParamsSchema, schema_of

INPUT = {"type": "string", "format": "tidings-input"}


def schema(**properties: object) -> ParamsSchema:
    return schema_of({"type": "object", "properties": properties, "additionalProperties": False})


def test_inputs_are_found_wherever_the_schema_has_them() -> None:
    deep = schema(input=INPUT, inputs={"type": "object", "additionalProperties": INPUT}, note={"type": "string"})
    params = {"input": "upload:a", "inputs": {"x": "upload:b", "y": "upload:a"}, "note": "upload:c"}
    assert deep.check(params) == {"upload:a": "/params/input", "upload:b": "/params/inputs/x"}


def test_one_check_knows_nothing_of_the_one_before() -> None:
    one = schema(input=INPUT, height={"type": "integer"})
    with pytest.raises(InvalidParams):
        one.check({"input": "upload:a", "height": "x"})
    assert one.check({"height": 1}) == {}


def test_a_schema_is_compiled_once() -> None:
    assert schema(input=INPUT) is schema(input=INPUT)


def test_misfits_are_bounded_in_number_and_length() -> None:
    with pytest.raises(InvalidParams) as refused:
        schema(**{f"p{n}": {"type": "integer"} for n in range(50)}).check({f"p{n}": "x" * 9999 for n in range(50)})
    errors = refused.value.members["errors"]
    assert len(errors) == 20
    assert all(len(error["message"]) <= 200 for error in errors)


def test_a_schema_fetches_nothing() -> None:
    with pytest.raises(ValueError, match="disabled"):
        schema_of({"$ref": "http://127.0.0.1:1/schema"})
