"""A program's guard: it leaves nothing of what a program has started, and else is as good as the program."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import eventually, is_gone
from workers.run.program import GUARD

FAMILY = "trap '' TERM HUP; sleep 600 & first=$!; setsid sleep 600 & echo $$ $first $! > new; mv new pids; "
"""All deaf, and one in a session of its own."""
WORKER = "import os, subprocess, sys, time; subprocess.Popen(sys.argv[1:], start_new_session=True); time.sleep(600)"


def guarded(script: str, *, worker: int | None = None) -> subprocess.Popen[bytes]:
    argv = (*GUARD, str(worker or os.getpid()), "sh", "-c", script)
    return subprocess.Popen(argv, stdout=subprocess.PIPE, start_new_session=True)


def pids_in(folder: Path) -> list[int]:
    """Of the FAMILY that runs there."""
    eventually((folder / "pids").exists)
    pids = [int(pid) for pid in (folder / "pids").read_text().split()]
    assert len(pids) == 3
    return pids


def test_what_a_program_has_started_dies_with_a_killed_worker(tmp_path: Path) -> None:
    script = f'exec {" ".join(GUARD)} $PPID sh -c "$1"'
    argv = [sys.executable, "-c", WORKER, "sh", "-c", script, "sh", f"{FAMILY} wait"]
    with subprocess.Popen(argv, cwd=tmp_path) as worker:
        pids = pids_in(tmp_path)
        assert not any(map(is_gone, pids))
        worker.kill()
    eventually(lambda: all(map(is_gone, pids)))


def test_when_told_to_hang_up_it_ends_after_all_that_was_started(tmp_path: Path) -> None:
    with guarded(f"cd '{tmp_path}'; {FAMILY} wait") as guard:
        pids = pids_in(tmp_path)
        guard.send_signal(signal.SIGHUP)
        assert guard.wait() == -signal.SIGKILL
        assert all(map(is_gone, pids))


def test_what_a_program_leaves_behind_is_gone_before_the_guard(tmp_path: Path) -> None:
    with guarded(f"cd '{tmp_path}'; {FAMILY} exit 3") as guard:
        assert guard.wait() == 3
        assert all(map(is_gone, pids_in(tmp_path)))


def test_where_the_worker_is_gone_already_nothing_is_started() -> None:
    with guarded("echo started", worker=1) as guard:
        assert guard.communicate()[0] == b""


@pytest.mark.parametrize(
    ("script", "code"),
    [("exit 0", 0), ("exit 7", 7), ("kill -SEGV $$", -signal.SIGSEGV), ("kill -9 $$", -signal.SIGKILL)],
)
def test_it_ends_as_the_program_ends(script: str, code: int) -> None:
    with guarded(script) as guard:
        assert guard.wait() == code


def test_a_stop_is_the_programs_to_heed() -> None:
    with guarded("trap 'echo stopped; exit 5' TERM; echo ready; while :; do sleep 0.01; done") as guard:
        assert guard.stdout
        assert guard.stdout.readline() == b"ready\n"
        os.killpg(guard.pid, signal.SIGTERM)
        assert guard.stdout.read() == b"stopped\n"
        assert guard.wait() == 5


def test_what_a_program_closes_is_closed() -> None:
    with guarded("exec >&-; exec sleep 600") as guard:
        assert guard.stdout
        assert guard.stdout.read() == b""
        assert guard.poll() is None
        os.killpg(guard.pid, signal.SIGKILL)
