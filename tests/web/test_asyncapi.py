"""The document of the WebSockets says what they do: all of them, and the very frames that come and go."""

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema_rs import Draft7Validator, meta
from starlette.routing import WebSocketRoute

from app.main import assemble
from app.settings import Settings
from app.web.frames import CLIENT_FRAMES, SERVER_FRAMES
from tests.web.conftest import Store
from tests.web.test_websocket import asked, socket, told

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its models have fields named as pydantic's own
    from asyncapi3 import AsyncAPI3  # type: ignore[import-untyped]


@pytest.fixture
async def document(web: httpx.AsyncClient) -> dict[str, Any]:
    document: dict[str, Any] = (await web.get("/asyncapi.json")).json()
    return document


def schema_of(document: dict[str, Any], *names: str) -> Draft7Validator:
    shapes = [{"$ref": f"#/components/schemas/{name}"} for name in names]
    return Draft7Validator({"anyOf": shapes, "components": document["components"]})


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(reference := node.get("$ref"), str):
            yield reference
        for child in node.values():
            yield from references(child)
    elif isinstance(node, list):
        for child in node:
            yield from references(child)


def test_the_document_is_valid_asyncapi(document: dict[str, Any]) -> None:
    AsyncAPI3.model_validate(document)
    for schema in document["components"]["schemas"].values():
        meta.validate({"$schema": "http://json-schema.org/draft-07/schema#"} | schema)


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    for reference in set(references(document)):
        node = document
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]


def test_every_websocket_is_described_and_nothing_else(document: dict[str, Any], tmp_path: Path) -> None:
    routes = assemble(Settings(data_dir=tmp_path)).routes
    there = {route.path_format for route in routes if isinstance(route, WebSocketRoute)}
    assert {channel["address"] for channel in document["channels"].values()} == there


def test_every_frame_is_described_in_its_direction(document: dict[str, Any]) -> None:
    messages = {
        action: {
            reference["$ref"].rpartition("/")[2]
            for operation in document["operations"].values()
            if operation["action"] == action
            for reference in operation["messages"]
        }
        for action in ("send", "receive")
    }
    assert messages["receive"] == {frame.__name__ for frame in CLIENT_FRAMES}
    assert messages["send"] == {frame.__name__ for frame in SERVER_FRAMES} | {"StreamEvent"}


async def test_the_frames_of_a_conversation_are_as_described(
    address: str, store: Store, document: dict[str, Any]
) -> None:
    from_client = schema_of(document, *(frame.__name__ for frame in CLIENT_FRAMES))
    from_server = schema_of(document, *(frame.__name__ for frame in SERVER_FRAMES), "StreamEvent")
    run, pending = await store.claimed(), await store.submitted()
    seen = []
    async with socket(address, "/api/ws") as connection:
        for frame, answers in [
            ({"op": "subscribe", "job_id": run.job_id, "after": 1, "ref": "r"}, 2),
            ({"op": "unsubscribe", "job_id": run.job_id}, 1),
            ({"op": "subscribe", "feed": True, "filter": {"kind": "anything"}}, 3),
            ({"op": "unsubscribe", "feed": True}, 1),
            ({"op": "cancel", "job_id": pending.job_id, "reason": "enough"}, 1),
            ({"op": "ping", "ref": 1}, 1),
            ({"op": "subscribe", "job_id": "x"}, 1),
        ]:
            from_client.validate(frame)
            await connection.send(json.dumps(frame))
            seen += await told(connection, answers)
        await connection.send(json.dumps({"op": "subscribe", "job_id": run.job_id}))
        seen += await told(connection, 2)
        await store.apply(run, "completed", {"result": None})
        seen += await told(connection, 2)
    for frame in seen:
        from_server.validate(frame)
    assert {frame["op"] for frame in seen if "op" in frame} == {
        "subscribed",
        "unsubscribed",
        "cancelling",
        "pong",
        "error",
    }
    assert {frame["type"] for frame in seen if "type" in frame} == {"snapshot", "processing", "completed"}


@pytest.mark.parametrize(
    "frame",
    [
        {"op": "subscribe", "feed": 1},
        {"op": "subscribe", "feed": "true"},
        {"op": ["ping"]},
        {"op": "unsubscribe"},
        {"op": "cancel", "job_id": 1},
    ],
)
async def test_a_frame_that_is_not_as_described_is_refused(
    address: str, document: dict[str, Any], frame: dict[str, Any]
) -> None:
    assert not schema_of(document, *(frame.__name__ for frame in CLIENT_FRAMES)).is_valid(frame)
    async with socket(address, "/api/ws") as connection:
        answer = await asked(connection, **frame)
    assert (answer["op"], answer["code"]) == ("error", "bad_message")
