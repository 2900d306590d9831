import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import from_json
from typer.testing import CliRunner, Result

from app.cli import app
from tests.small_server import SmallServer, event, json, problem, serving, stream

BATCH = "/api/batches/b1"
NONE = {"pending": 0, "processing": 0, "completed": 0, "failed": 0, "cancelled": 0}


def batch(percent: float = 50, **counts: int) -> dict[str, Any]:
    return {"batch_id": "b1", "status": "processing", "progress": {"percent": percent}, "counts": NONE | counts}


@pytest.fixture
def server() -> Iterator[SmallServer]:
    with serving() as server:
        server.will("/api/batches", json(batch(), 202))
        yield server


def asked(server: SmallServer, *arguments: str, **options: Any) -> Result:
    return CliRunner().invoke(app, ("batch", *arguments), env={"TIDINGS_URL": server.url}, **options)


LINES = '{"kind": "a", "params": {"n": 1}}\n\n{"kind": "b", "tags": ["x"]}\n'
JOBS = [{"kind": "a", "params": {"n": 1}}, {"kind": "b", "tags": ["x"]}]


@pytest.mark.parametrize("text", [LINES, '[{"kind": "a", "params": {"n": 1}}, {"kind": "b", "tags": ["x"]}]'])
def test_jobs_come_as_lines_or_as_an_array(server: SmallServer, text: str, tmp_path: Path) -> None:
    path = tmp_path / "jobs"
    path.write_text(text)
    for source in (str(path), f"@{path}"):
        assert asked(server, "submit", source, "--tag", "t").stdout == "b1\n"
    assert [seen.json() for seen in server.seen] == [{"jobs": JOBS, "tags": ["t"]}] * 2


def test_with_a_kind_each_is_its_params(server: SmallServer) -> None:
    assert asked(server, "submit", "--kind", "k", input='{"n": 1}\n{}\n').exit_code == 0
    assert server.seen[0].json() == {"jobs": [{"kind": "k", "params": {"n": 1}}, {"kind": "k", "params": {}}]}


@pytest.mark.parametrize(
    ("text", "where"), [("{}\n[", "line 2"), ("{}\n3", "line 2"), ("[3]", "entry 1"), ("[", "the array")]
)
def test_what_makes_no_jobs_is_wrong_usage_and_says_where(server: SmallServer, text: str, where: str) -> None:
    result = asked(server, "submit", "-", input=text)
    assert result.exit_code == 2
    assert result.stderr.startswith(where)
    assert server.seen == []


@pytest.mark.parametrize(("command", "path"), [("show", ""), ("cancel", "/cancel"), ("retry", "/retry")])
def test_a_batch_is_told_in_a_line_or_as_json(server: SmallServer, command: str, path: str) -> None:
    server.will(BATCH + path, json(batch(42.7, completed=3, failed=1)))
    assert asked(server, command, "b1").stdout.split() == ["42", "%", "3", "completed", "1", "failed"]
    assert from_json(asked(server, command, "b1", "--json").stdout) == batch(42.7, completed=3, failed=1)


@pytest.mark.parametrize(
    ("counts", "code"),
    [({"completed": 2}, 0), ({"completed": 1, "failed": 1, "cancelled": 1}, 1), ({"completed": 1, "cancelled": 1}, 3)],
)
def test_the_exit_code_says_how_a_watched_batch_ended(server: SmallServer, counts: dict[str, int], code: int) -> None:
    told = [event(1, "snapshot", **batch(0)), event(2, "progress", **batch(0)), event(3, "completed", **batch(100))]
    server.will(f"{BATCH}/events", stream(*told))
    server.will(BATCH, json(batch(100, **counts)))
    result = asked(server, "submit", "-", "--follow", input=LINES)
    assert result.exit_code == code
    assert [line.split()[1] for line in result.stdout.splitlines()] == ["0", "100"]
    as_json = asked(server, "watch", "b1", "--json")
    assert [from_json(line)["seq"] for line in as_json.stdout.splitlines()] == [1, 2, 3]


def test_a_refusal_is_4(server: SmallServer) -> None:
    server.will(BATCH, problem(404, "unknown_batch", "No such batch"))
    result = asked(server, "show", "b1")
    assert (result.exit_code, result.stderr.splitlines()[0]) == (4, "Refused: No such batch (unknown_batch)")


def test_ctrl_c_leaves_the_batch_be(server: SmallServer) -> None:
    server.will(f"{BATCH}/events", stream(event(1, "snapshot", **batch(0)), hangs=True))
    command = (sys.executable, "-m", "app.cli", "batch", "watch", "b1", "--url", server.url)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "tidings batch watch b1" in err
