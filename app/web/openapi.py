"""The OpenAPI document, folded from the routes: each door's contract, the shapes it names, and what it refuses.

OpenAPI 3.2, the first version that can describe the events of a stream (`itemSchema`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Annotated, Any, Final

from pydantic import Field
from starlette.routing import BaseRoute

from app.errors import Refusal
from app.shapes.delivery import BatchWebhook, JobWebhook
from app.shapes.problem import Problem
from app.shapes.shape import JobId
from app.web.contract import Answer, Contract, Header, Parameter, Shape, operations
from app.web.gate import ACCESS_TOKEN, COOKIE, IN_URL
from app.web.headers import OF_REFUSALS
from app.web.problems import MEDIA_TYPE
from app.web.schemas import Schemas

EVENT_STREAM: Final = "text/event-stream"

ABOUT: Final = """Submit a long job, get 202 at once, and be told how it goes.

Times are RFC 3339 in UTC. What is refused is a problem (RFC 9457) with a stable `code`; `/docs/errors` explains each.
Every path answers OPTIONS by 204 with `Allow`, and HEAD where it answers GET. Later versions may add members to
objects, and types of events: ignore what you do not know. The WebSockets are in `/asyncapi.json`.
"""

PATH_VARIABLES: Final[Mapping[str, tuple[str, Shape]]] = {
    "job_id": ("The job.", JobId),
    "batch_id": ("The batch.", JobId),
    "upload_id": ("The upload.", JobId),
    "name": ("The file's name.", str),
    "kind": ("The kind.", str),
    "queue": ("The queue.", str),
    "n": ("The delivery.", Annotated[int, Field(ge=1)]),
    "secret_id": ("The secret.", str),
    "token": ("What the callback URL ends with; it is all the authorization there is.", str),
}
"""By the name they have in routes."""

WEBHOOKS: Final[Mapping[str, tuple[str, Shape]]] = {
    "job": ("An event of a job", JobWebhook),
    "batch": ("All jobs of a batch have ended", BatchWebhook),
}
"""What we send to others, by name; a contract that `calls_back` names one."""

WEBHOOK_HEADERS: Final = (
    Parameter(
        "webhook-id", "The same on every attempt: the id of the job or batch, and the event's seq.", str, "header"
    ),
    Parameter("webhook-timestamp", "Of this attempt: seconds since 1970.", int, "header"),
    Parameter("webhook-signature", "`v1,` and the HMAC-SHA256 in base64, for each secret.", str, "header"),
)
WEBHOOK_ANSWERS: Final[Mapping[str, Any]] = {
    "2XX": {"description": "It is delivered."},
    "410": {"description": "The receiver wants no more of this job."},
    "default": {"description": "The attempt has failed; `Retry-After` is obeyed."},
}


SECURITY: Final[Mapping[str, Any]] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key (`tdg_…`), a JWT of the issuer trusted here, or a browser token (`tdt_…`).",
    },
    "cookie": {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": "A browser token, for pages of ours."},
    "url": {"type": "apiKey", "in": "query", "name": ACCESS_TOKEN, "description": "A browser token, on streams alone."},
}
"""The ways to show a credential. What an operation needs of it are the scopes beside them."""


def openapi(routes: Sequence[BaseRoute], server: str, *, is_open: bool = True) -> dict[str, Any]:
    """The document for these routes. `server` is the URL they are at, absolute or `/`; `is_open` says that there may be
    no authentication."""
    fold = _Fold(is_open=is_open)
    paths: dict[str, Any] = {}
    tags = {}
    for path, method, contract in operations(routes):
        paths.setdefault(path, {})[method.lower()] = fold.operation(path, contract)
        tags[contract.tag.name] = contract.tag.what
    return {
        "openapi": "3.2.0",
        "info": {"title": "Tidings", "version": version("tidings"), "description": ABOUT},
        "servers": [{"url": server}],
        "tags": [{"name": name, "description": what} for name, what in tags.items()],
        "paths": paths,
        "webhooks": {name: fold.webhook(name) for name in WEBHOOKS},
        "components": {
            "schemas": dict(sorted(fold.schemas.components.items())),
            "securitySchemes": dict(SECURITY),
        },
    }


class _Fold:
    """Contracts into operations; the shapes on the way are collected."""

    def __init__(self, *, is_open: bool) -> None:
        self.schemas = Schemas()
        self._is_open = is_open

    def operation(self, path: str, contract: Contract) -> dict[str, Any]:
        variables = [self._variable(name) for name in PATH_VARIABLES if f"{{{name}}}" in path]
        parameters = variables + [self._parameter(parameter) for parameter in contract.parameters]
        responses = {str(answer.status): self._answer(answer) for answer in contract.answers}
        responses |= {str(status): self._refusals(kinds) for status, kinds in contract.refusals}
        operation: dict[str, Any] = {
            "operationId": contract.name,
            "tags": [contract.tag.name],
            "summary": contract.summary.rstrip("."),
            "description": contract.description,
            "parameters": parameters,
            "responses": responses,
        }
        if contract.body is not None:
            required = not contract.body_optional
            operation["requestBody"] = {"required": required, "content": self._content(contract.body_by_media_type)}
        if contract.calls_back:
            url = "{$request.body#/callback_url}"
            operation["callbacks"] = {contract.calls_back: {url: self.webhook(contract.calls_back)}}
        if contract.scope:
            operation["security"] = self._security(contract)
        return {name: value for name, value in operation.items() if value}

    def _security(self, contract: Contract) -> list[dict[str, list[str]]]:
        names = [name for name in SECURITY if name != "url" or IN_URL in contract.parameters]
        scopes = [str(scope) for scope in (contract.scope, contract.or_scope) if scope]
        ways = [{name: [scope]} for name in names for scope in scopes]
        return [*ways, *([{}] if self._is_open else [])]

    def webhook(self, name: str) -> dict[str, Any]:
        summary, shape = WEBHOOKS[name]
        told = {
            "summary": summary,
            "description": "Standard Webhooks; `docs/webhooks.md` has the whole of it.",
            "parameters": [self._parameter(replace(header, required=True)) for header in WEBHOOK_HEADERS],
            "requestBody": {"required": True, "content": self._content({"application/json": shape})},
            "responses": dict(WEBHOOK_ANSWERS),
        }
        return {"post": told}

    def _variable(self, name: str) -> dict[str, Any]:
        what, shape = PATH_VARIABLES[name]
        return {"name": name, "in": "path", "required": True, "description": what, "schema": self.schemas.of(shape)}

    def _parameter(self, parameter: Parameter) -> dict[str, Any]:
        schema = self.schemas.of(parameter.shape)
        described: dict[str, Any] = {"name": parameter.name, "in": parameter.where}
        described |= {"description": parameter.what, "schema": schema}
        if parameter.required:
            described["required"] = True
        if parameter.where == "query" and schema.get("type") != "array":
            described["allowEmptyValue"] = True  # it counts as left out
        return described

    def _answer(self, answer: Answer) -> dict[str, Any]:
        described: dict[str, Any] = {"description": answer.what}
        if answer.headers:
            described["headers"] = self._headers(answer.headers)
        if answer.content is not None:
            described["content"] = self._content(answer.by_media_type)
        return described

    def _refusals(self, kinds: Sequence[type[Refusal]]) -> dict[str, Any]:
        codes = [kind.code for kind in kinds]
        narrowed = {"properties": {"code": {"enum": codes}}}
        described: dict[str, Any] = {
            "description": "\n".join(f"`{kind.code}`: {kind.explained()[0]}" for kind in kinds),
            "content": {MEDIA_TYPE: {"schema": {"allOf": [self.schemas.of(Problem), narrowed]}}},
        }
        sent = dict.fromkeys(name for kind in kinds for name in kind.sends)
        if sent:
            described["headers"] = self._headers(OF_REFUSALS[name].sometimes for name in sent)
        return described

    def _headers(self, headers: Iterable[Header]) -> dict[str, Any]:
        return {
            header.name: {
                "description": header.what,
                "required": header.always,
                "schema": self.schemas.of(header.shape),
            }
            for header in headers
        }

    def _content(self, by_media_type: Mapping[str, Shape]) -> dict[str, Any]:
        return dict(self._medium(media_type, shape) for media_type, shape in by_media_type.items())

    def _medium(self, media_type: str, shape: Shape) -> tuple[str, dict[str, Any]]:
        schema = self.schemas.of(shape)
        return media_type, {"itemSchema" if media_type == EVENT_STREAM else "schema": schema}
