"""The type of a param that names a file. A form shows it as a file field, `ctx.open_input` gives a local path."""

from collections.abc import Callable
from typing import Annotated, Any, TypeAlias


class InputFormat:
    """Marks the string in the kind's JSON Schema; without pydantic, which a handler's process may do without."""

    def __get_pydantic_json_schema__(self, core_schema: Any, schema_of: Callable[[Any], dict[str, Any]]) -> Any:
        return schema_of(core_schema) | {"format": "tidings-input"}


Input: TypeAlias = Annotated[str, InputFormat()]
"""`upload:<id>`, `artifact:<job id>/<name>`, or `location:<root>/<path>`, which may be a folder."""
