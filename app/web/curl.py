"""A command for each operation that can be tried as it stands. Shown by `app/web/docpage.py`."""

import shlex
from collections.abc import Iterator, Mapping
from typing import Any, Final

from app.events import json_text

HERE: Final = "http://127.0.0.1:8000"

Node = Mapping[str, Any]


def curl(openapi: Node, path: str, method: str, operation: Node) -> str:
    """The whole command, with `$JOB` for a job's id."""
    server = openapi["servers"][0]["url"]
    url = (HERE if server == "/" else server) + path.replace("{job_id}", "$JOB").replace("{name}", "clip.mp4")
    return " ".join(["curl", *_options(openapi, method, operation), f'"{url}"' if "$" in url else url])


def _options(openapi: Node, method: str, operation: Node) -> Iterator[str]:
    content = operation["responses"].get("200", {}).get("content", {})
    if "text/event-stream" in content:
        yield "-N"
    elif "*/*" in content:
        yield "-O"
    body = operation.get("requestBody")
    if body and "*/*" in body["content"]:
        yield "-T clip.mp4"
    elif body:
        example = _example(openapi, body["content"]["application/json"]["schema"])
        yield f"-H 'Content-Type: application/json' -d {shlex.quote(json_text(example))}"
    elif method != "GET":
        yield f"-X {method}"


def _example(openapi: Node, schema: Node) -> Any:
    name = schema["$ref"].rpartition("/")[2]
    return openapi["components"]["schemas"][name].get("examples", [{}])[0]
