"""The AsyncAPI document of the WebSockets, folded from their routes. AsyncAPI 3.0; what the service tells, it sends."""

from collections.abc import Iterable, Sequence
from importlib.metadata import version
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.routing import BaseRoute

from app.web.channels import Channel, channels
from app.web.contract import Shape
from app.web.openapi import PATH_VARIABLES, SECURITY
from app.web.schemas import Schemas

ABOUT: Final = """The WebSockets of Tidings; its HTTP side is in `/openapi.json`.

A text frame of the service holds one or more JSON objects, one a line; a frame of the client is one object. Browsers
may connect from the service's own pages and from the origins it is told to allow; another gets 403. Where the service
asks who is there, the handshake shows it, as `Authorization`, cookie or `access_token`, or the first frame does.
"""

SUBPROTOCOL: Final = "tidings.v1"


def asyncapi(routes: Sequence[BaseRoute], public_url: str) -> dict[str, Any]:
    """The document for these routes. `public_url` may be empty."""
    fold = _Fold()
    described = list(channels(routes))
    url = urlsplit(public_url or "http://127.0.0.1:8000")
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Tidings", "version": version("tidings"), "description": ABOUT},
        "defaultContentType": "application/json",
        "servers": {
            "here": {
                "host": url.netloc,
                "pathname": url.path or "/",
                "protocol": "wss" if url.scheme == "https" else "ws",
            }
        },
        "channels": {channel.name: fold.channel(path, channel) for path, channel in described},
        "operations": {name: operation for _, channel in described for name, operation in _operations(channel)},
        "components": {
            "messages": fold.messages,
            "schemas": fold.schemas.components,
            "securitySchemes": {"bearer": SECURITY["bearer"]},
        },
    }


class _Fold:
    """Channels as the document has them; the shapes on the way are collected."""

    def __init__(self) -> None:
        self.schemas = Schemas()
        self.messages: dict[str, Any] = {}

    def channel(self, path: str, channel: Channel) -> dict[str, Any]:
        described: dict[str, Any] = {
            "address": path,
            "summary": channel.summary,
            "description": channel.description,
            "messages": {
                self._message(shape): _ref("components", "messages", _name(shape)) for shape in _both(channel)
            },
            "bindings": {"ws": {"method": "GET", "query": self._query(channel)}},
            "x-subprotocol": SUBPROTOCOL,
            "x-close-codes": {str(int(close)): close.reason for close in channel.closes},
        }
        variables = {name: {"description": what} for name, (what, _) in PATH_VARIABLES.items() if f"{{{name}}}" in path}
        return described | ({"parameters": variables} if variables else {})

    def _message(self, shape: Shape) -> str:
        name, payload = _name(shape), self.schemas.of(shape)
        summary = self.schemas.components[name]["description"]
        self.messages[name] = {"name": name, "summary": summary, "payload": payload}
        return name

    def _query(self, channel: Channel) -> dict[str, Any]:
        properties = {
            parameter.name: {"description": parameter.what} | self.schemas.of(parameter.shape)
            for parameter in channel.parameters
        }
        return {"type": "object", "properties": properties}


def _operations(channel: Channel) -> Iterable[tuple[str, dict[str, Any]]]:
    for verb, action, shapes in (("tell", "send", channel.tells), ("hear", "receive", channel.hears)):
        if shapes:
            messages = [_ref("channels", channel.name, "messages", _name(shape)) for shape in shapes]
            yield (
                f"{verb}_{channel.name}",
                {"action": action, "channel": _ref("channels", channel.name), "messages": messages},
            )


def _both(channel: Channel) -> Iterable[Shape]:
    return (*channel.tells, *channel.hears)


def _name(shape: Shape) -> str:
    name: str = shape.__name__
    return name


def _ref(*path: str) -> dict[str, str]:
    return {"$ref": "#/" + "/".join(path)}
