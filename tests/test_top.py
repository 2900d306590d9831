"""`tidings top` in a real terminal, and without any."""

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic_core import from_json
from typer.testing import CliRunner, Result

from app.cli import app
from tests.small_server import JOB_ID, Answer, SmallServer, event, job, json, problem, serving, stream

NEWEST = "/api/jobs?limit=200"
FEED = "/api/events"
RUNNING = job("processing", created_at="2026-11-23T18:00:00.000Z", started_at="2026-11-23T18:00:01.000Z")
DONE = job("completed", created_at="2026-11-23T18:00:00.000Z", started_at=None, finished_at="2026-11-23T18:00:09.000Z")
PENDING = "status=pending&status=processing"


@pytest.fixture
def server() -> Iterator[SmallServer]:
    with serving() as server:
        server.will(NEWEST, listed(RUNNING))
        server.will(f"/api/jobs?{PENDING}", listed(RUNNING))
        server.will("/api/jobs", listed(DONE | {"job_id": "done"}))
        yield server


def listed(*jobs: dict[str, Any]) -> Answer:
    return json({"jobs": jobs, "next_cursor": None})


class Terminal:
    """The command in a terminal of its own."""

    def __init__(self, url: str) -> None:
        self._controller, terminal = pty.openpty()
        self.resize(120, 20)
        env = os.environ | {"TERM": "xterm", "TIDINGS_URL": url}
        env = {name: value for name, value in env.items() if name not in ("COLUMNS", "LINES")}
        command = (sys.executable, "-m", "app.cli", "top")
        self.process = subprocess.Popen(
            command, env=env, start_new_session=True, stdin=terminal, stdout=terminal, stderr=subprocess.PIPE
        )
        os.close(terminal)
        self.shown = ""

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._controller, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def until(self, text: str, seconds: float = 60) -> None:
        """Read on until it has shown that."""
        deadline = time.monotonic() + seconds
        while text not in self.shown:
            assert time.monotonic() < deadline, self.shown[-2000:]
            self.shown += os.read(self._controller, 65_536).decode(errors="replace")

    def press(self, keys: bytes) -> None:
        os.write(self._controller, keys)

    def ended(self) -> int:
        try:
            while chunk := os.read(self._controller, 65_536):
                self.shown += chunk.decode(errors="replace")
        except OSError:  # how a terminal says that nobody writes to it any more
            pass
        os.close(self._controller)
        assert self.process.stderr
        with self.process.stderr as stderr:
            self.complaint = stderr.read().decode()
        return self.process.wait(30)


def asked(server: SmallServer, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["top", *arguments], env={"TIDINGS_URL": server.url}, prog_name="tidings")


def test_a_terminal_sees_jobs_move_until_q(server: SmallServer) -> None:
    moved = event(2, "progress", percent=42, message="half way")
    server.will(FEED, stream(event(1, "snapshot") | {"data": RUNNING}, moved, hangs=True))
    terminal = Terminal(server.url)
    terminal.until("42 %")
    terminal.until("1 running")
    terminal.resize(60, 10)
    os.kill(terminal.process.pid, signal.SIGWINCH)
    terminal.press(b"q")
    assert terminal.ended() == 0
    assert JOB_ID in terminal.shown
    assert "half way" in terminal.shown
    assert terminal.shown.rstrip().endswith("\x1b[?25h\x1b[?1049l")  # the cursor and the screen before are back


def test_ctrl_c_ends_it_as_well(server: SmallServer) -> None:
    server.will(FEED, stream(hangs=True))
    terminal = Terminal(server.url)
    terminal.until("1 running")
    os.kill(terminal.process.pid, signal.SIGINT)
    assert terminal.ended() == 0
    assert terminal.complaint == ""


def test_a_refusal_gives_the_screen_back_and_is_told(server: SmallServer) -> None:
    server.will(FEED, problem(401, "unauthenticated", "Send a credential."))
    server.will(NEWEST, problem(401, "unauthenticated", "Send a credential."))
    terminal = Terminal(server.url)
    assert terminal.ended() == 4
    assert "TIDINGS_API_KEY" in terminal.complaint


def test_an_address_that_is_none_is_wrong_usage() -> None:
    terminal = Terminal("localhost:8000")
    assert terminal.ended() == 2
    assert terminal.complaint.startswith("--url: ")


def test_without_a_terminal_it_is_printed_once(server: SmallServer) -> None:
    result = asked(server)
    assert result.exit_code == 0
    assert "1 running   0 pending   1 ended" in result.stdout
    assert JOB_ID in result.stdout
    assert "\x1b" not in result.stdout


def test_as_json_it_is_a_job_a_line(server: SmallServer) -> None:
    lines = asked(server, "--json").stdout.splitlines()
    assert [from_json(line)["status"] for line in lines] == ["processing", "completed"]


def test_filters_go_to_the_service_and_the_status_is_ours(server: SmallServer) -> None:
    server.will(f"/api/jobs?kind=k&tag=a&{PENDING}", listed(RUNNING))
    server.will("/api/jobs?kind=k&tag=a&status=failed", listed())
    assert asked(server, "--kind", "k", "--tag", "a", "--status", "failed", "--json").stdout == ""
