"""A child process: bound to its parent's life, stopped with patience, killed with all it started."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app.processes.child import Child
from tests.conftest import eventually, is_gone

STUBBORN = "trap '' TERM; touch ready; while :; do sleep 1; done"
NOTED = "echo $$ > pid.new; mv pid.new pid; exec sleep 1000"
PARENT = (
    "import sys, time; from app.processes.child import Child; Child('sh', '-c', sys.argv[1]).start(); time.sleep(1000)"
)


def shell(script: str, directory: Path, *, grace_seconds: float = 10) -> Child:
    return Child("sh", "-c", f"cd '{directory}'; {script}", grace_seconds=grace_seconds)


def noted(directory: Path) -> int:
    """The process that runs NOTED there."""
    eventually((directory / "pid").exists)
    return int((directory / "pid").read_text())


def test_it_stops_when_told(tmp_path: Path) -> None:
    with shell("exec sleep 1000", tmp_path) as child:
        assert child.alive
    assert child.exit_code == -signal.SIGTERM


def test_one_that_will_not_is_killed_after_the_grace(tmp_path: Path) -> None:
    with shell(STUBBORN, tmp_path, grace_seconds=0.1) as child:
        eventually((tmp_path / "ready").exists)
    assert child.exit_code == -signal.SIGKILL


def test_one_that_has_ended_tells_how_and_may_be_started_again(tmp_path: Path) -> None:
    child = shell("test -e again || { touch again; exit 7; }; exec sleep 1000", tmp_path)
    child.start()
    eventually(lambda: not child.alive)
    assert child.exit_code == 7
    child.stop()
    with child:
        assert child.alive


def test_before_its_start_there_is_nothing_to_stop() -> None:
    child = Child("true")
    child.kill()
    child.stop()
    assert (child.alive, child.exit_code) == (False, None)


def test_it_has_a_session_of_its_own(tmp_path: Path) -> None:
    with shell(NOTED, tmp_path):
        pid = noted(tmp_path)
        assert os.getsid(pid) == pid


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_it_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, f"cd '{tmp_path}'; {NOTED}"])
    pid = noted(tmp_path)
    parent.kill()
    parent.wait()
    eventually(lambda: is_gone(pid))
