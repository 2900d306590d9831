"""Whether params fit their kind's JSON Schema, and which of their strings name inputs. Used at submission."""

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
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

    def check(self, params: dict[str, Any]) -> dict[str, str]:
        """The inputs the params name, each with a pointer. Raises InvalidParams with every misfit, up to a bound."""
        self._inputs.clear()
        if not self._validator.is_valid(params):
            errors = list(_shown(self._validator.iter_errors(params)))
            raise InvalidParams(errors[0]["message"], errors=errors)
        if not self._inputs:
            return {}
        return dict.fromkeys(self._inputs, pointer("params")) | _places(params, set(self._inputs))

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


def _places(params: dict[str, Any], texts: AbstractSet[str]) -> dict[str, str]:
    """Where these strings stand, as far as they are values."""
    places: dict[str, str] = {}
    level: list[tuple[tuple[str | int, ...], Any]] = [(("params",), params)]
    while level:
        places = {node: pointer(*path) for path, node in level if isinstance(node, str) and node in texts} | places
        level = [((*path, step), child) for path, node in level for step, child in _steps(node)]
    return places


def _steps(node: Any) -> Iterable[tuple[str | int, Any]]:
    if isinstance(node, dict):
        return node.items()
    return enumerate(node) if isinstance(node, list) else ()


def _shown(errors: Iterable[ValidationError]) -> Iterator[dict[str, str]]:
    for error, _ in zip(errors, range(MOST_ERRORS), strict=False):
        yield {"pointer": pointer("params", *error.instance_path), "message": error.message[:LONGEST_MESSAGE]}
