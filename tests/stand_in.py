"""What `test_supervisor.py` lets the supervisor run in place of web and worker: `stand_in.py web|worker`.

Each notes its coming and going in `journal` below the data directory. STAND_IN says how it misbehaves.
"""

import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import FrameType
from typing import Never

NAME = sys.argv[1]
DEEDS = os.environ.get("STAND_IN", "").split()


def note(word: str) -> None:
    with (Path(os.environ["TIDINGS_DATA_DIR"]) / "journal").open("a") as journal:
        journal.write(f"{NAME} {word} {os.getpid()}\n")


def leave(_number: int, _frame: FrameType | None) -> Never:
    note("stopped")
    raise SystemExit


def stay(_number: int, _frame: FrameType | None) -> None:
    note("stayed")


class Ready(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/readyz" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Quiet."""


signal.signal(signal.SIGTERM, stay if f"{NAME}-stays" in DEEDS else leave)
note("started")
if f"{NAME}-fails" in DEEDS:
    sys.exit(3)
if NAME == "web":
    HTTPServer((os.environ["TIDINGS_HOST"], int(os.environ["TIDINGS_PORT"])), Ready).serve_forever()
while True:
    signal.pause()
