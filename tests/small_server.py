"""A small real HTTP server that answers what a test tells it to, for what the real service would never do."""

import sys
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from pydantic_core import from_json, to_json

KINDS: dict[str, Any] = {
    "kinds": [
        {
            "kind": "transcode",
            "description": "Make a clip smaller.",
            "params_schema": {
                "properties": {
                    "input": {"type": "string", "format": "tidings-input"},
                    "height": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None},
                },
                "required": ["input"],
            },
        }
    ]
}
JOB_ID = "abcdefghijklmnopqrstuvwxyz"
EVENTS = f"/api/jobs/{JOB_ID}/events"


@dataclass(frozen=True)
class Answer:
    """It begins `late` by so many seconds; `hangs` keeps the connection open and silent, `torn` ends it too early."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    hangs: bool = False
    torn: bool = False
    late: float = 0


@dataclass(frozen=True)
class Seen:
    """A request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return from_json(self.body)


class SmallServer(ThreadingHTTPServer):
    """Answers each path with what `will` was told, in order; the last answer stays."""

    daemon_threads = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[Seen] = []
        self.closing = threading.Event()
        self._answers: dict[str, deque[Answer]] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def will(self, path: str, *answers: Answer) -> None:
        self._answers[path] = deque(answers)

    def next_answer(self, path: str) -> Answer:
        answers = self._answers.get(path) or deque([problem(404, "not_found", "Nothing is here")])
        return answers.popleft() if len(answers) > 1 else answers[0]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves is no error."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def seen_at(self, path: str) -> list[Seen]:
        return [seen for seen in self.seen if seen.path == path]


class Handler(BaseHTTPRequestHandler):
    """One connection, one request."""

    server: SmallServer

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append(Seen(self.command, self.path, dict(self.headers), body))
        answer = self.server.next_answer(self.path)
        self.server.closing.wait(answer.late)
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.torn:
            self.send_header("Content-Length", str(len(answer.body) + 1))
        self.end_headers()
        self.wfile.write(answer.body)
        if answer.hangs:
            self.server.closing.wait(20)

    do_GET = do_HEAD = do_POST = do_PATCH = do_DELETE = handle_any

    def log_message(self, *_: object) -> None:
        """Quiet."""


@contextmanager
def serving() -> Iterator[SmallServer]:
    server = SmallServer()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()


def json(value: Any, status: int = 200, **headers: str) -> Answer:
    return Answer(status, to_json(value), headers={name.replace("_", "-"): text for name, text in headers.items()})


def problem(status: int, code: str, detail: str, **members: Any) -> Answer:
    body = {"type": f"/docs/errors#{code}", "title": "No", "status": status, "detail": detail, "code": code} | members
    return Answer(status, to_json(body), "application/problem+json")


def event(seq: int, type_: str, **data: Any) -> dict[str, Any]:
    return {"job_id": JOB_ID, "seq": seq, "type": type_, "at": f"2026-11-23T18:04:{seq:02}.000Z", "data": data}


def stream(*events: dict[str, Any], retry: int = 1, hangs: bool = False, torn: bool = False) -> Answer:
    blocks = [f"id: {e['seq']}\nevent: {e['type']}\ndata: {to_json(e).decode()}\n\n" for e in events]
    return Answer(200, "".join([f"retry: {retry}\n\n", *blocks]).encode(), "text/event-stream", hangs=hangs, torn=torn)


def job(status: str, **fields: Any) -> dict[str, Any]:
    return {"job_id": JOB_ID, "kind": "k", "status": status, "seq": 1} | fields
