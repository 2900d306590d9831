"""The door that tells what can be asked for."""

from dataclasses import asdict

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from app.intake.catalog import Catalog
from app.web.answer import JsonAnswer
from app.web.resource import resource


class KindDoors:
    """`GET /api/kinds`."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def routes(self) -> list[BaseRoute]:
        return [resource("/api/kinds", get=self.list_kinds)]

    async def list_kinds(self, _: Request) -> Response:
        """Every kind with the JSON Schema of its params."""
        kinds = await self._catalog.all()
        shown = {"kinds": [asdict(kind) for kind in kinds.values()]}
        return JsonAnswer(shown, headers={"Cache-Control": "private, no-cache"})
