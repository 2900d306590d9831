"""Whether params fit their kind's JSON Schema, and which of their strings name inputs. Used at submission."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, Final

from jsonschema_rs import ValidationError, validator_for
from pydantic_core import from_json

from app.errors import InvalidParams
from app.events import json_text

INPUT_FORMAT: Final = "tidings-input"
"""What the schema of a handler's parameter of type `Input` has as `format`."""

MOST_ERRORS: Final = 20
LONGEST_MESSAGE: Final = 200


class ParamsSchema:
    """One compiled schema. Raises ValueError when it is no JSON Schema."""

    def __init__(self, schema: str) -> None:
        self._inputs: list[str] = []
        self._validator = validator_for(
            from_json(schema), formats={INPUT_FORMAT: self._note_input}, validate_formats=True, offline=True
        )

    def check(self, params: dict[str, Any]) -> list[str]:
        """The inputs the params name, each once. Raises InvalidParams with every misfit, up to a bound."""
        self._inputs.clear()
        if errors := list(_shown(self._validator.iter_errors(params))):
            raise InvalidParams(errors[0]["message"], errors=errors)
        return list(dict.fromkeys(self._inputs))

    def _note_input(self, text: str) -> bool:
        self._inputs.append(text)
        return True


def schema_of(params_schema: dict[str, Any]) -> ParamsSchema:
    """The compiled schema; compiled once however often it is announced."""
    return _compiled(json_text(params_schema))


@lru_cache(maxsize=1024)
def _compiled(schema: str) -> ParamsSchema:
    return ParamsSchema(schema)


def pointer(*path: str | int) -> str:
    """A JSON Pointer (RFC 6901)."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in path)


def _shown(errors: Iterable[ValidationError]) -> Iterator[dict[str, str]]:
    for error, _ in zip(errors, range(MOST_ERRORS), strict=False):
        yield {"pointer": pointer("params", *error.instance_path), "message": error.message[:LONGEST_MESSAGE]}
