"""The doors that tell what there is: for programs as OpenAPI and AsyncAPI, for people as pages of the same."""

from collections.abc import Sequence
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from app.events import json_text
from app.web.asyncapi import asyncapi
from app.web.contract import Answer, Tag, describes
from app.web.docpage import docs_page, errors_page
from app.web.fixed import Fixed
from app.web.headers import CACHE_CONTROL, ETAG
from app.web.openapi import openapi
from app.web.resource import resource

DESCRIPTION: Final = Tag("Description", "What there is.")


def _fixed(media_type: str, shape: Any) -> list[Answer]:
    headers = [ETAG, CACHE_CONTROL]
    return [
        Answer(200, "The whole of it.", {media_type: shape}, headers),
        Answer(304, "The client has it.", None, headers),
    ]


class DescriptionDoors:
    """`/openapi.json`, `/asyncapi.json`, `/docs` and `/docs/errors`. `described` are all other routes; `is_open`
    says that there may be no authentication."""

    def __init__(self, described: Sequence[BaseRoute], public_url: str, *, is_open: bool) -> None:
        self._described = described
        self._public_url = public_url
        self._is_open = is_open
        self._openapi = Fixed("application/json", lambda: json_text(self._http()))
        self._asyncapi = Fixed("application/json", lambda: json_text(self._sockets()))
        self._docs = Fixed("text/html", lambda: docs_page(self._http(), self._sockets()))
        self._errors = Fixed("text/html", errors_page)

    def routes(self) -> list[BaseRoute]:
        return [
            resource("/openapi.json", get=self.openapi),
            resource("/asyncapi.json", get=self.asyncapi),
            resource("/docs", get=self.docs),
            resource("/docs/errors", get=self.errors),
        ]

    @describes("openapi", DESCRIPTION, scope=None, answers=_fixed("application/json", dict[str, Any]))
    async def openapi(self, request: Request) -> Response:
        """This document: OpenAPI 3.2."""
        return await self._openapi.answer(request)

    @describes("asyncapi", DESCRIPTION, scope=None, answers=_fixed("application/json", dict[str, Any]))
    async def asyncapi(self, request: Request) -> Response:
        """The WebSockets: AsyncAPI 3.0."""
        return await self._asyncapi.answer(request)

    @describes("docs", DESCRIPTION, scope=None, answers=_fixed("text/html", str))
    async def docs(self, request: Request) -> Response:
        """All of this as a page."""
        return await self._docs.answer(request)

    @describes("errors", DESCRIPTION, scope=None, answers=_fixed("text/html", str))
    async def errors(self, request: Request) -> Response:
        """Every refusal, with what to do about it."""
        return await self._errors.answer(request)

    def _sockets(self) -> dict[str, Any]:
        return asyncapi(self._described, self._public_url)

    def _http(self) -> dict[str, Any]:
        return openapi([*self._described, *self.routes()], self._public_url or "/", is_open=self._is_open)
