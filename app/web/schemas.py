"""The JSON Schemas of a document: one for each shape, named once. Used by the OpenAPI and the AsyncAPI document."""

from typing import Any, Final

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import CoreSchema

from app.web.contract import Shape

REF: Final = "#/components/schemas/{model}"


class Schemas:
    """`components` fills as shapes are asked for."""

    def __init__(self) -> None:
        self.components: dict[str, Any] = {}
        self._known: list[tuple[Shape, dict[str, Any]]] = []

    def of(self, shape: Shape) -> dict[str, Any]:
        """The schema of a shape; a reference where the shape has a name. Raises ValueError for a name of two shapes."""
        if shape is bytes:
            return {}  # whatever the media type says
        for known, schema in self._known:
            if known is shape:
                return dict(schema)
        schema = self._made(shape)
        self._known.append((shape, schema))
        return dict(schema)

    def _made(self, shape: Shape) -> dict[str, Any]:
        # Of a list's members, as pydantic refers to them by name; what is asked for itself it would write out.
        schema = TypeAdapter(list[shape]).json_schema(ref_template=REF, schema_generator=_Untitled)
        for name, definition in schema.pop("$defs", {}).items():
            if self.components.setdefault(name, definition) != definition:
                raise ValueError(f"two shapes are called {name}")
        of_members: dict[str, Any] = schema["items"]
        return of_members


class _Untitled(GenerateJsonSchema):
    """Without the titles that pydantic makes of names: they repeat what stands beside them."""

    def generate_inner(self, schema: Any) -> JsonSchemaValue:
        made = super().generate_inner(schema)
        if "properties" in made:
            made.pop("title", None)
        return made

    def field_title_should_be_set(self, schema: CoreSchema | Any) -> bool:
        return False
