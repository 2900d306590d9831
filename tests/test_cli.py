import asyncio
import os
import pty
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import from_json
from redis.asyncio import Redis
from typer.testing import CliRunner, Result

from app.cli import app
from app.client import Client, ClientError
from app.store import JobStore, Kind, KindStore
from tests.conftest import eventually
from tests.ground import completed, log, progress
from tests.small_server import EVENTS, JOB_ID, KINDS, Answer, SmallServer, event, job, json, problem, serving, stream

JOB = f"/api/jobs/{JOB_ID}"
SERVING = ("up", "web", "worker")
JOBS = ("submit", "watch", "top", "feed", "jobs", "show", "log", "result")
DEEDS = ("cancel", "retry", "suspend", "resume", "purge", "upload")
GROUPS = ("batch", "kinds", "queues", "deliveries", "webhooks", "keys", "tokens")
COMMANDS = (*SERVING, *JOBS, *DEEDS, *GROUPS, "completion")
COMMAND = (sys.executable, "-m", "app.cli")


@pytest.fixture
def server() -> Iterator[SmallServer]:
    with serving() as server:
        server.will("/api/kinds", json(KINDS))
        server.will("/api/jobs", json(job("pending"), 202))
        yield server


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"moov")
    return path


def run(*arguments: str, **options: Any) -> Result:
    return CliRunner().invoke(app, arguments, prog_name="tidings", **options)


def asked(server: SmallServer, *arguments: str, **options: Any) -> Result:
    return run(*arguments, env={"TIDINGS_URL": server.url}, **options)


def will_end(server: SmallServer, status: str, **fields: Any) -> None:
    server.will(EVENTS, stream(event(1, "pending", reason="submitted"), event(2, status)))
    server.will(JOB, json(job(status, **fields)))


def test_without_a_command_it_says_what_there_is() -> None:
    shown = run("--help").output
    assert all(command in shown for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert f"Usage: tidings {command}" in result.output


def test_version_is_the_packages() -> None:
    assert run("--version").output == "tidings 0.1.0\n"


@pytest.mark.parametrize(
    "arguments", [["bogus"], ["watch"], ["submit"], ["submit", "k", "word"], ["kinds", "--url", "nowhere"]]
)
def test_wrong_usage_is_2(arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Traceback" not in result.output


@pytest.mark.parametrize("command", SERVING)
def test_every_invalid_setting_has_its_line(command: str) -> None:
    result = run(command, env={"TIDINGS_PORT": "abc", "TIDINGS_CONCURRENCY": "-1"})
    assert result.exit_code == 2
    assert [line.partition(":")[0] for line in result.stderr.splitlines()] == ["TIDINGS_PORT", "TIDINGS_CONCURRENCY"]


def test_an_invalid_option_is_named_as_it_was_given() -> None:
    result = run("web", "--port", "99999")
    assert result.exit_code == 2
    assert result.stderr.startswith("--port: ")


def test_an_unknown_log_level_is_refused() -> None:
    result = run("web", env={"TIDINGS_LOG_LEVEL": "loud"})
    assert result.exit_code == 2
    assert "TIDINGS_LOG_LEVEL" in result.stderr


def test_submit_prints_the_id_alone_on_stdout(server: SmallServer) -> None:
    result = asked(server, "submit", "transcode", "--tag", "a", "--tag", "b")
    assert result.exit_code == 0
    assert result.stdout == f"{JOB_ID}\n"
    assert f"tidings watch {JOB_ID}" in result.stderr
    assert server.seen[0].json() == {"kind": "transcode", "params": {}, "tags": ["a", "b"]}


@pytest.mark.parametrize("words", [["-"], ["-", "height:={"]])
def test_params_that_are_none_are_wrong_usage(server: SmallServer, words: list[str]) -> None:
    assert asked(server, "submit", "transcode", *words, input="[]").exit_code == 2
    assert server.seen_at("/api/jobs") == []


def test_params_come_from_files_and_stdin_and_words_beside_them_win(server: SmallServer, tmp_path: Path) -> None:
    (tmp_path / "params.json").write_text('{"height": 1, "input": "upload:1"}')
    words = [f"@{tmp_path / 'params.json'}", "-", "height=3"]
    assert asked(server, "submit", "transcode", *words, input='{"height": 2, "width": 5}').exit_code == 0
    assert server.seen_at("/api/jobs")[0].json()["params"] == {"height": 3, "input": "upload:1", "width": 5}


def test_a_file_of_params_that_is_none_is_wrong_usage(server: SmallServer, tmp_path: Path) -> None:
    result = asked(server, "submit", "transcode", f"@{tmp_path / 'none.json'}")
    assert result.exit_code == 2
    assert "No such file" in result.stderr


def test_a_job_is_run_again(server: SmallServer) -> None:
    server.will(f"{JOB}/retry", json(job("pending"), 202))
    assert asked(server, "retry", JOB_ID).stdout == "pending\n"


def test_jobs_are_listed_up_to_as_many_as_are_wanted(server: SmallServer) -> None:
    found = [job("failed", created_at="2026-11-23T18:04:01.000Z")] * 3
    server.will("/api/jobs?status=failed", json({"jobs": found, "next_cursor": "c"}))
    lines = asked(server, "jobs", "--status", "failed", "-n", "2").stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [[JOB_ID, "failed"]] * 2
    assert from_json(asked(server, "jobs", "--status", "failed", "-n", "1", "--json").stdout) == found[0]


def test_a_result_is_printed_or_put_into_a_file(server: SmallServer, tmp_path: Path) -> None:
    server.will(JOB, json(job("completed", result={"n": 1}, artifacts=[], result_url=None)))
    assert from_json(asked(server, "result", JOB_ID).stdout) == {"n": 1}
    server.will(f"{JOB}/result", Answer(200, b"file", "text/plain"))
    path = tmp_path / "out"
    assert asked(server, "result", JOB_ID, "--output", str(path)).stdout == f"{path}\n"
    assert path.read_bytes() == b"file"
    assert asked(server, "result", JOB_ID, "--output", str(tmp_path / "no" / "folder")).exit_code == 2


@pytest.mark.parametrize(("status", "code"), [("failed", 1), ("cancelled", 3)])
def test_a_job_without_a_result_ends_the_command_as_it_ended(server: SmallServer, status: str, code: int) -> None:
    server.will(JOB, json(job(status, error={"message": "broken"})))
    result = asked(server, "result", JOB_ID)
    assert (result.exit_code, result.stderr) == (code, f"{status}: broken\n")


def test_upload_prints_what_to_say_for_a_file_in_params(server: SmallServer, clip: Path) -> None:
    server.will("/api/uploads", Answer(201, headers={"Location": "/api/uploads/tus/u1"}))
    server.will("/api/uploads/tus/u1", Answer(204, headers={"Upload-Offset": "4"}), json({"input": "upload:u1"}))
    assert asked(server, "upload", str(clip)).stdout == "upload:u1\n"


def test_what_cannot_be_uploaded_is_wrong_usage(server: SmallServer, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as no_file:
        no_file.bind(str(tmp_path / "socket"))
        result = asked(server, "upload", str(tmp_path / "socket"))
    assert result.exit_code == 2
    assert "No such device" in result.stderr


def test_submit_as_json_prints_the_job(server: SmallServer) -> None:
    assert from_json(asked(server, "submit", "transcode", "--json").stdout) == job("pending")


def test_the_port_of_the_settings_is_the_default_place_to_ask(server: SmallServer) -> None:
    assert run("kinds", env={"TIDINGS_PORT": str(server.server_address[1])}).exit_code == 0


@pytest.mark.parametrize(("status", "code"), [("completed", 0), ("failed", 1), ("cancelled", 3)])
def test_the_exit_code_says_how_a_watched_job_ended(server: SmallServer, status: str, code: int) -> None:
    will_end(server, status)
    result = asked(server, "watch", JOB_ID)
    assert result.exit_code == code
    assert result.stdout.splitlines()[-1] == status


def test_a_followed_submission_tells_everything_from_its_first_event(server: SmallServer) -> None:
    will_end(server, "completed", result={"rows": 3}, result_url=f"{JOB}/result")
    result = asked(server, "submit", "transcode", "--follow")
    assert result.exit_code == 0
    assert server.seen_at(EVENTS)[0].headers["Last-Event-ID"] == "0"
    lines = result.stdout.splitlines()
    assert [line.split()[1] for line in lines[:2]] == ["pending", "completed"]
    assert lines[2:] == ["completed", "{", '  "rows": 3', "}", f"{server.url}{JOB}/result"]


def test_as_json_there_is_nothing_but_events(server: SmallServer) -> None:
    will_end(server, "failed")
    result = asked(server, "watch", JOB_ID, "--json")
    assert result.exit_code == 1
    assert [from_json(line)["type"] for line in result.stdout.splitlines()] == ["pending", "failed"]


def test_a_finished_job_can_be_watched_from_its_last_seq_on(server: SmallServer) -> None:
    server.will(EVENTS, Answer(204))
    server.will(JOB, json(job("completed")))
    assert asked(server, "watch", JOB_ID, "--after", "9").exit_code == 0
    assert server.seen_at(EVENTS)[0].headers["Last-Event-ID"] == "9"


def test_a_refusal_is_4_and_tells_field_by_field(server: SmallServer) -> None:
    server.will(EVENTS, problem(404, "unknown_job", "No such job"))
    result = asked(server, "watch", JOB_ID)
    assert result.exit_code == 4
    first, hint = result.stderr.splitlines()
    assert first == "Refused: No such job (unknown_job)"
    assert "`tidings jobs`" in hint


def test_an_unreachable_service_is_4(server: SmallServer) -> None:
    server.will("/api/kinds", Answer())
    result = asked(server, "kinds")
    assert result.exit_code == 4
    assert "tidings up" in result.stderr


@pytest.mark.parametrize(("status", "said"), [("processing", "cancelling"), ("completed", "completed")])
def test_cancel_says_where_the_job_stands(server: SmallServer, status: str, said: str) -> None:
    server.will(f"{JOB}/cancel", json(job(status)))
    result = asked(server, "cancel", JOB_ID, "--reason", "late")
    assert result.exit_code == 0
    assert result.stdout == f"{said}\n"
    assert server.seen[0].json() == {"reason": "late"}


def test_kinds_lists_params_with_types(server: SmallServer) -> None:
    shown = asked(server, "kinds").stdout
    assert "transcode" in shown
    assert "input: file (required)" in shown
    assert "height: integer" in shown


def test_the_secret_that_was_made_is_printed_alone(server: SmallServer) -> None:
    listed = {"secrets": [{"secret_id": "a"}, {"secret_id": "made", "secret": "whsec_x"}]}
    server.will("/api/webhooks/secrets", json(listed))
    assert asked(server, "webhooks", "secret").stdout == "whsec_x\n"


def test_where_none_can_be_shown_a_new_secret_is_made(server: SmallServer) -> None:
    server.will("/api/webhooks/secrets", json({"secrets": [{"secret_id": "a"}]}), json({"secret": "whsec_y"}, 201))
    assert asked(server, "webhooks", "secret").stdout == "whsec_y\n"


def test_kinds_as_json_is_what_the_service_says(server: SmallServer) -> None:
    assert from_json(asked(server, "kinds", "--json").stdout) == KINDS


def test_ctrl_c_detaches_and_leaves_the_job_be(server: SmallServer) -> None:
    server.will(EVENTS, stream(event(1, "processing", attempt=1, worker="w"), hangs=True))
    command = (*COMMAND, "watch", JOB_ID, "--url", server.url)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "processing" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert f"tidings watch {JOB_ID}" in err
    assert f"tidings cancel {JOB_ID}" in err
    assert "Traceback" not in err
    assert [seen.path for seen in server.seen] == [EVENTS]


@pytest.mark.parametrize("command", ["watch " + JOB_ID, "jobs", "top --once"])
def test_a_reader_that_leaves_early_is_no_failure_and_nothing_to_tell(server: SmallServer, command: str) -> None:
    will_end(server, "completed")
    for query in ("", "?status=pending&status=processing"):
        server.will(f"/api/jobs{query}", json({"jobs": [job("failed", created_at="")], "next_cursor": None}))
    asking = f"{sys.executable} -m app.cli {command} --url {server.url} | true"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", asking], capture_output=True, check=False, timeout=20)
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_terminal_gets_a_bar(server: SmallServer) -> None:
    server.will(
        EVENTS,
        stream(
            event(1, "processing", attempt=1, worker="w"),
            event(2, "progress", percent=42, message="half way"),
            event(3, "log", level="info", line="a log line"),
            event(4, "completed"),
        ),
    )
    server.will(JOB, json(job("completed")))
    controller, terminal = pty.openpty()
    env = os.environ | {"TERM": "xterm", "COLUMNS": "120"}
    process = subprocess.Popen((*COMMAND, "watch", JOB_ID, "--url", server.url), stdout=terminal, env=env)
    os.close(terminal)
    shown = read_all(controller)
    assert process.wait(20) == 0
    assert "━" in shown
    assert "info: a log line" in shown
    assert "100 %" in shown


@pytest.fixture
async def _announced(redis: Redis) -> None:
    (kind,) = KINDS["kinds"]
    await KindStore(redis).announce([Kind(**kind, queue="default", timeout_seconds=60, max_attempts=1)])


@pytest.fixture
def web(redis_url: str, _announced: None, tmp_path: Path) -> Iterator[str]:
    """The address of a real web process that answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    env = os.environ | {"TIDINGS_REDIS_URL": redis_url, "TIDINGS_DATA_DIR": str(tmp_path / "data")}
    with subprocess.Popen((*COMMAND, "web", "--port", url.rpartition(":")[2]), env=env) as process:
        try:
            eventually(lambda: asks(url))
            yield url
        finally:
            process.terminate()
    assert process.returncode == 0


def asks(url: str) -> bool:
    try:
        with Client(url) as client:
            return len(client.kinds()) == 1
    except ClientError:
        return False


async def test_a_file_goes_in_and_a_result_comes_out_through_the_real_service(
    web: str, jobs: JobStore, clip: Path
) -> None:
    arguments = ("submit", "transcode", f"input={clip}", "height=720", "--follow", "--url", web)
    process = await asyncio.create_subprocess_exec(*COMMAND, *arguments, stdout=subprocess.PIPE)
    while not (claims := await jobs.claim("w", ["default"], 1, lease_ms=60_000, kinds=["transcode"])).runs:
        assert process.returncode is None
    (run,) = claims.runs
    await jobs.apply(run.job_id, [log("half way"), progress(50)], token=run.token)
    await jobs.apply(run.job_id, [completed({"rows": 3})], token=run.token)
    out, _ = await process.communicate()
    lines = out.decode().splitlines()
    assert process.returncode == 0
    assert from_json(run.params)["height"] == 720
    assert from_json(run.params)["input"].startswith("upload:")
    assert [line.split()[1] for line in lines[:5]] == ["pending", "processing", "log", "progress", "completed"]
    assert lines[-2:] == ["}", f"{web}/api/jobs/{run.job_id}/result"]


def test_a_misfit_is_refused_field_by_field_by_the_real_service(web: str) -> None:
    result = run("submit", "transcode", "input=upload:no", "height=tall", "--url", web)
    assert result.exit_code == 4
    assert "height: " in result.stderr
    assert "(invalid_params)" in result.stderr


def read_all(descriptor: int) -> str:
    read = b""
    try:
        while chunk := os.read(descriptor, 65_536):
            read += chunk
    except OSError:  # how a terminal says that nobody writes to it any more
        pass
    finally:
        os.close(descriptor)
    return read.decode()


@pytest.mark.parametrize("command", ["up", "web"])
def test_open_to_everybody_it_does_not_start(command: str) -> None:
    result = subprocess.run([*COMMAND, command, "--host", "0.0.0.0"], check=False, capture_output=True, text=True)
    assert result.returncode == 1
    assert "TIDINGS_AUTH=keys" in result.stdout + result.stderr


def test_a_mode_without_what_it_needs_is_wrong_usage() -> None:
    result = run("web", env={"TIDINGS_AUTH": "jwt"})
    assert result.exit_code == 2
    assert "TIDINGS_JWT_ISSUER" in result.stderr
