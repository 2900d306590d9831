"""The door that tells what can be asked for."""

from dataclasses import asdict
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from typing_extensions import TypedDict

from app.errors import Unavailable
from app.intake.catalog import Catalog
from app.shapes.shape import shape
from app.store import Kind
from app.web.answer import JsonAnswer
from app.web.contract import Answer, Tag, describes
from app.web.headers import CACHE_CONTROL
from app.web.resource import resource

KINDS: Final = Tag("Kinds", "What can be asked for.")


@shape
class KindList(TypedDict):
    """All kinds, by name."""

    kinds: list[Kind]


class KindDoors:
    """`GET /api/kinds`."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def routes(self) -> list[BaseRoute]:
        return [resource("/api/kinds", get=self.list_kinds)]

    @describes(
        "list_kinds",
        KINDS,
        answers=[Answer(200, "The kinds.", KindList, [CACHE_CONTROL])],
        refuses=[Unavailable],
    )
    async def list_kinds(self, _: Request) -> Response:
        """Every kind with the JSON Schema of its params."""
        kinds = await self._catalog.all()
        shown = {"kinds": [asdict(kind) for kind in kinds.values()]}
        return JsonAnswer(shown, headers={"Cache-Control": "private, no-cache"})
