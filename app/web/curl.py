"""A command for each operation that can be tried as it stands. Shown by `app/web/docpage.py`."""

import shlex
from collections.abc import Iterator, Mapping
from typing import Any, Final

from app.events import json_text

HERE: Final = "http://127.0.0.1:8000"

VARIABLES: Final = {"{job_id}": "$JOB", "{upload_id}": "$UPLOAD", "{token}": "$TOKEN", "{name}": "clip.mp4"}
"""What the reader is to set, and what he has."""

SAID: Final = {
    "Tus-Resumable": "1.0.0",
    "Upload-Length": "$(wc -c <clip.mp4)",
    "Upload-Offset": "0",
    "X-HTTP-Method-Override": "PATCH",
}
"""Headers without which nothing comes of it."""

Node = Mapping[str, Any]


def curl(openapi: Node, path: str, method: str, operation: Node) -> str:
    """The whole command, with `$JOB` for a job's id, `$UPLOAD` for an upload's, `$TOKEN` for a callback's."""
    server = openapi["servers"][0]["url"]
    for variable, value in VARIABLES.items():
        path = path.replace(variable, value)
    url = (HERE if server == "/" else server) + path
    return " ".join(["curl", *_options(openapi, method, operation), f'"{url}"' if "$" in url else url])


def _options(openapi: Node, method: str, operation: Node) -> Iterator[str]:
    content = operation["responses"].get("200", {}).get("content", {})
    if "text/event-stream" in content:
        yield "-N"
    elif "*/*" in content:
        yield "-O"
    body = operation.get("requestBody", {}).get("content", {})
    if "application/json" in body:
        example = _example(openapi, body["application/json"]["schema"])
        yield f"-H 'Content-Type: application/json' -d {shlex.quote(json_text(example))}"
    elif method not in ("GET", "PUT"):
        yield f"-X {method}"
    for name in (parameter["name"] for parameter in operation.get("parameters", ())):
        if name in SAID:
            yield f'-H "{name}: {SAID[name]}"'
    for media_type in body.keys() - {"application/json"}:
        yield "-T clip.mp4" if media_type == "*/*" else f"-H 'Content-Type: {media_type}' -T clip.mp4"


def _example(openapi: Node, schema: Node) -> Any:
    name = schema.get("$ref", "").rpartition("/")[2]
    return openapi["components"]["schemas"].get(name, schema).get("examples", [{}])[0]
