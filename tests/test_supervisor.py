"""`tidings up`, as a real process with stand-ins for web and worker: start, restart, stop, and what is left behind."""

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from app.settings import Settings
from tests.conftest import eventually, is_gone

UP = """
import sys
from app.settings import Settings
from app.processes import supervisor

supervisor.KILL_AFTER_GRACE_SECONDS = 1.0
supervisor.FIRST_DELAY_SECONDS = 0.1
sys.exit(supervisor.up(Settings(), sys.argv[1:]))
"""
STAND_IN = str(Path(__file__).with_name("stand_in.py"))


class Run:
    """One supervisor on a data directory, what it says and what its children noted."""

    def __init__(self, data_dir: Path, output_path: Path, env: dict[str, str]) -> None:
        self.data_dir = data_dir
        self._output_path = output_path
        with output_path.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", UP, sys.executable, STAND_IN],
                env=os.environ | {"TIDINGS_DATA_DIR": str(data_dir), "TIDINGS_PORT": "0"} | env,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def output(self) -> str:
        return self._output_path.read_text()

    @property
    def journal(self) -> list[str]:
        path = self.data_dir / "journal"
        return [line.rpartition(" ")[0] for line in path.read_text().splitlines()] if path.exists() else []

    def pids(self, name: str) -> list[int]:
        lines = (self.data_dir / "journal").read_text().splitlines()
        return [int(line.split()[2]) for line in lines if line.startswith(f"{name} started")]

    def await_ready(self) -> "Run":
        eventually(lambda: "Tidings is ready" in self.output or self.process.poll() is not None)
        assert "Tidings is ready" in self.output, self.output
        eventually(lambda: "worker started" in self.journal)  # ready says that web is
        return self

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(20)


Start = Callable[..., Run]


@pytest.fixture
def start(short_path: Path) -> Iterator[Start]:
    runs: list[Run] = []

    def start(**env: str) -> Run:
        runs.append(Run(short_path / "data with space", short_path / f"output-{len(runs)}", env))
        return runs[-1]

    yield start
    for run in runs:
        if run.process.poll() is None:
            run.process.kill()
            run.process.wait()


def store_of(run: Run) -> redis.Redis:
    return redis.Redis.from_url(Settings(data_dir=run.data_dir).redis_address)


def test_it_says_where_it_is_ready_and_stops_without_error(start: Start) -> None:
    run = start().await_ready()
    url = re.search(r"http://127\.0\.0\.1:\d+", run.output)
    assert url
    assert urllib.request.urlopen(f"{url[0]}/readyz").status == 200
    assert run.end(signal.SIGINT) == 0


def test_children_stop_in_order_and_the_store_last(start: Start) -> None:
    run = start().await_ready()
    with store_of(run) as store:
        valkey = store.info("server")["process_id"]
    assert run.end(signal.SIGTERM) == 0
    assert run.journal[-2:] == ["web stopped", "worker stopped"]
    assert is_gone(valkey)


def test_what_the_store_holds_survives_a_restart(start: Start) -> None:
    run = start().await_ready()
    with store_of(run) as store:
        store.set("key", "value")
    run.end(signal.SIGTERM)
    with store_of(start().await_ready()) as store:
        assert store.get("key") == b"value"


@pytest.mark.parametrize("name", ["web", "worker"])
def test_a_killed_child_is_started_again(start: Start, name: str) -> None:
    run = start().await_ready()
    os.kill(run.pids(name)[0], signal.SIGKILL)
    eventually(lambda: len(run.pids(name)) == 2)
    assert run.end(signal.SIGTERM) == 0
    assert sorted(run.journal[-2:]) == ["web stopped", "worker stopped"]


def test_a_killed_store_is_started_again_with_what_it_held(start: Start) -> None:
    run = start().await_ready()
    with store_of(run) as store:
        store.set("key", "value")
        os.kill(store.info("server")["process_id"], signal.SIGKILL)
        eventually(lambda: run.output.count("child=valkey") == 3)  # started, ended, started
        assert store.get("key") == b"value"


def test_a_child_that_keeps_ending_is_started_less_and_less_often(start: Start) -> None:
    run = start(STAND_IN="worker-fails").await_ready()
    eventually(lambda: "restart_in_seconds=0.4" in run.output)
    assert re.findall(r"restart_in_seconds=(\S+)", run.output) == ["0.1", "0.2", "0.4"]
    assert run.end(signal.SIGTERM) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_a_killed_supervisor_leaves_no_process_behind(start: Start) -> None:
    run = start().await_ready()
    with store_of(run) as store:
        pids = [*run.pids("web"), *run.pids("worker"), store.info("server")["process_id"]]
    run.end(signal.SIGKILL)
    eventually(lambda: all(is_gone(pid) for pid in pids))
    assert len(pids) == 3
    assert start().await_ready().end(signal.SIGTERM) == 0


def test_a_second_one_on_the_same_data_is_refused(start: Start) -> None:
    first = start().await_ready()
    second = start()
    assert second.process.wait(20) == 1
    assert "in use by another `tidings up`" in second.output
    assert len(first.pids("web")) == 1


def test_a_port_that_is_taken_ends_it_with_a_clear_message(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        run = start(TIDINGS_PORT=str(port))
        assert run.process.wait(20) == 1
    assert f"cannot listen on 127.0.0.1:{port}" in run.output
    assert run.journal == []


def test_a_web_process_that_cannot_start_ends_it(start: Start) -> None:
    run = start(STAND_IN="web-fails")
    assert run.process.wait(20) == 1
    assert "web process ended with code 3" in run.output
    assert not Settings(data_dir=run.data_dir).valkey_socket.exists()


def test_a_child_that_will_not_stop_is_killed_after_the_grace(start: Start) -> None:
    run = start(STAND_IN="worker-stays", TIDINGS_SHUTDOWN_GRACE_SECONDS="0").await_ready()
    assert run.end(signal.SIGTERM) == 0
    assert run.journal[-2:] == ["web stopped", "worker stayed"]
    assert is_gone(run.pids("worker")[0])


def test_a_second_ctrl_c_does_not_wait_for_the_grace(start: Start) -> None:
    run = start(STAND_IN="web-stays", TIDINGS_SHUTDOWN_GRACE_SECONDS="3600").await_ready()
    run.process.send_signal(signal.SIGINT)
    eventually(lambda: "web stayed" in run.journal)
    assert run.end(signal.SIGINT) == 0


def test_with_a_store_of_its_own_none_is_started(start: Start, redis_url: str) -> None:
    run = start(TIDINGS_REDIS_URL=redis_url).await_ready()
    assert "child=valkey" not in run.output
    assert not (run.data_dir / "valkey").exists()
    assert run.end(signal.SIGTERM) == 0
