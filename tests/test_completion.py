"""What a shell completes after a tab; in a real bash."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import app
from tests.small_server import JOB_ID, KINDS, SmallServer, job, json, serving

ASKED = """
eval "$(tidings completion bash)"
complete -p tidings >&2
while read -r line; do
    COMP_WORDS=($line); [[ $line == *" " ]] && COMP_WORDS+=("")
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    _tidings_completion tidings
    echo "${COMPREPLY[@]}"
done
"""


@pytest.fixture
def server() -> Iterator[SmallServer]:
    with serving() as server:
        server.will("/api/kinds", json(KINDS))
        server.will("/api/jobs?limit=50", json({"jobs": [job("pending", batch_id="b7")], "next_cursor": None}))
        yield server


def completed(url: str, *lines: str) -> list[list[str]]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "--norc", "-c", ASKED.replace("read -r line", "IFS= read -r line")],
        input="\n".join(lines) + "\n",
        env=os.environ | {"PATH": path, "TIDINGS_URL": url},
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    assert "-F _tidings_completion tidings" in done.stderr
    return [line.split() for line in done.stdout.split("\n")[:-1]]


def test_bash_completes_commands_options_kinds_and_ids(server: SmallServer) -> None:
    commands, options, kinds, ids, batches = completed(
        server.url, "tidings wa", "tidings watch --js", "tidings submit tr", "tidings cancel ", "tidings batch show "
    )
    assert commands == ["watch"]
    assert options == ["--json"]
    assert kinds == ["transcode"]
    assert ids == [JOB_ID]
    assert batches == ["b7"]


def test_a_service_that_cannot_be_reached_offers_nothing_and_says_nothing() -> None:
    assert completed("http://127.0.0.1:1", "tidings submit tr") == [[]]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_have_their_scripts(shell: str) -> None:
    result = CliRunner().invoke(app, ["completion", shell], prog_name="tidings")
    assert result.exit_code == 0
    assert f"_TIDINGS_COMPLETE=complete_{shell}" in result.stdout


def test_an_unknown_shell_is_wrong_usage() -> None:
    assert CliRunner().invoke(app, ["completion", "csh"], prog_name="tidings").exit_code == 2
