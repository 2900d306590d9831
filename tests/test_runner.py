import asyncio
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from app.jobs import Status
from app.store import Secret
from tests.conftest import is_gone
from tests.stage import MODES, Stage
from tests.watching import until
from workers.run.stop import Reason, Stop

every_mode = pytest.mark.parametrize("mode", MODES)


@pytest.fixture
def stage(redis: Redis, tmp_path: Path) -> Stage:
    return Stage(redis, tmp_path)


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Path]:
    """What lets `deaf` go; it is let go at the end in any case."""
    path = tmp_path / "gate"
    yield path
    path.touch()


@every_mode
async def test_what_is_told_comes_into_the_log_in_its_order_and_before_the_end(stage: Stage, mode: str) -> None:
    job = await stage.play(mode, deed="tell")
    assert (job.status, job.result) == (Status.COMPLETED, "done")
    types = await stage.types(job.job_id)
    assert [type_ for type_ in types if type_ != "progress"] == ["log", "metric", "log", "completed"]
    assert types[-2:] == ["progress", "completed"]
    assert await stage.lines(job.job_id) == ["one", "three"]
    assert job.progress == {"percent": 100}


@every_mode
async def test_a_context_knows_its_run(stage: Stage, mode: str) -> None:
    run = await stage.claimed(mode, deed="facts")
    await stage.runner.run(run)
    params = {"deed": "facts", "arguments": None}
    *facts, url, callback = (await stage.job(run.job_id)).result
    assert facts == [run.job_id, 1, run.token, params]
    assert url.startswith(f"http://127.0.0.1:8000/api/callbacks/{run.job_id}.0.")
    assert callback is None


@every_mode
async def test_misuse_raises_in_the_handler(stage: Stage, mode: str) -> None:
    assert (await stage.play(mode, deed="refused")).result == ["ValueError"] * 6


@every_mode
@pytest.mark.parametrize("value", [None, {"a": [1, "ü", None]}, [], "", 0])
async def test_any_json_is_a_result(stage: Stage, mode: str, value: Any) -> None:
    job = await stage.play(mode, deed="give", arguments=[value])
    assert (job.status, job.result) == (Status.COMPLETED, value)


@every_mode
async def test_a_result_too_large_for_an_event_is_kept_beside_it(stage: Stage, mode: str) -> None:
    job = await stage.play(mode, deed="give_much", arguments=[100_000])
    assert job.result == "x" * 100_000
    end = (await stage.log(job.job_id))[-1].parsed()
    assert end == {"result_url": f"/api/jobs/{job.job_id}/result"}


async def test_links_are_absolute_where_the_public_url_is_known(redis: Redis, tmp_path: Path) -> None:
    stage = Stage(redis, tmp_path, public_url="https://jobs.example/")
    job = await stage.play("loop", deed="give", arguments=[1])
    end = (await stage.log(job.job_id))[-1].parsed()
    assert end == {"result": 1, "result_url": f"https://jobs.example/api/jobs/{job.job_id}/result"}


@every_mode
@pytest.mark.parametrize(
    ("deed", "arguments", "code"), [("give_much", [300_000], "result_too_large"), ("give_object", [], "handler_error")]
)
async def test_what_cannot_be_a_result_fails_the_job_for_good(
    stage: Stage, mode: str, deed: str, arguments: list[Any], code: str
) -> None:
    job = await stage.play(mode, deed=deed, arguments=arguments)
    assert job.error
    assert (job.status, job.error["code"]) == (Status.FAILED, code)


@every_mode
async def test_an_exception_takes_an_attempt_and_the_last_one_fails_the_job(stage: Stage, mode: str) -> None:
    job = await stage.play(mode, deed="fail", arguments=["value"])
    pending = (await stage.log(job.job_id))[-1].parsed()
    error = {"code": "handler_error", "message": "boom", "type": "ValueError"}
    assert job.status is Status.PENDING
    assert job.retry_at
    assert job.retry_at - job.updated_at <= 1000
    assert pending["reason"] == "retry"
    assert pending["error"] == error
    job = await stage.play(mode, {"max_attempts": 1}, deed="fail", arguments=["value"])
    assert (job.status, job.error) == (Status.FAILED, error)


@every_mode
async def test_retry_runs_the_job_again_when_the_handler_says(stage: Stage, mode: str) -> None:
    run = await stage.claimed(mode, {"max_attempts": 2}, deed="fail", arguments=["again"])
    await stage.runner.run(run)
    second = await stage.claim(run.job_id)
    assert (second.attempt, second.token != run.token) == (2, True)
    await stage.runner.run(second)
    job = await stage.job(run.job_id)
    assert job.error
    assert (job.status, job.error["code"], job.error["type"]) == (Status.FAILED, "handler_error", "Retry")


@every_mode
async def test_a_retry_without_attempts_fails_with_its_cause(stage: Stage, mode: str) -> None:
    job = await stage.play(mode, {"max_attempts": 1}, deed="give_up")
    assert job.error == {"code": "handler_error", "message": "'the cause'", "type": "KeyError"}


@every_mode
async def test_failed_is_not_retried(stage: Stage, mode: str) -> None:
    job = await stage.play(mode, deed="fail", arguments=["failed"])
    assert (job.status, job.error) == (Status.FAILED, {"code": "no_use", "message": "for good"})


@every_mode
async def test_wait_frees_the_slot_until_the_deadline(stage: Stage, mode: str) -> None:
    job = await stage.play(mode, deed="fail", arguments=["wait"])
    assert (job.status, job.waiting_for) == (Status.PROCESSING, "callback")
    waiting = (await stage.log(job.job_id))[-1].parsed()
    assert waiting["for"] == "callback"
    assert waiting["deadline"].endswith("Z")


@every_mode
@pytest.mark.parametrize("outcome", ["cancelled", "stop", "odd", "exit", "itself"])
async def test_whatever_else_it_raises_is_an_error_of_the_handler(stage: Stage, mode: str, outcome: str) -> None:
    job = await stage.play(mode, {"max_attempts": 1}, deed="fail", arguments=[outcome])
    assert job.error
    assert (job.status, job.error["code"]) == (Status.FAILED, "handler_error")


@every_mode
async def test_params_that_do_not_fit_are_rejected(stage: Stage, mode: str) -> None:
    job = await stage.play(mode, deed=1, other=2)
    assert job.status is Status.FAILED
    assert job.error == {
        "code": "rejected",
        "message": "deed: Input should be a valid string; other: Extra inputs are not permitted",
    }


async def test_what_cannot_be_started_is_rejected(stage: Stage) -> None:
    run = await stage.claimed("loop", deed="tell")
    await stage.runner.reject(run, "no way")
    assert (await stage.job(run.job_id)).error == {"code": "rejected", "message": "no way"}


@every_mode
async def test_a_cancel_stops_the_handler_and_then_the_job_is_cancelled(stage: Stage, mode: str) -> None:
    playing = await stage.begin(mode, deed="spin")
    job = await playing.cancel()
    assert job.status is Status.CANCELLED
    last = (await stage.log(job.job_id))[-1]
    assert last.parsed() == {"by": "me", "stage": "processing"}
    assert await stage.lines(job.job_id) == ["cleaned up"]


@pytest.mark.parametrize("mode", ["thread", "process"])
async def test_a_handler_that_checks_is_told(stage: Stage, mode: str) -> None:
    job = await (await stage.begin(mode, deed="checking")).cancel()
    assert job.status is Status.CANCELLED


@pytest.mark.parametrize("mode", ["loop", "thread"])
async def test_a_handler_deaf_to_the_cancel_keeps_its_slot_and_may_still_complete(
    stage: Stage, mode: str, gate: Path
) -> None:
    playing = await stage.begin(mode, deed="deaf", arguments=[str(gate)])
    await stage.jobs.cancel(playing.job_id, "me")
    stage.runner.cancel(playing.job_id)
    await asyncio.wait([playing.task], timeout=0.1)
    job = await stage.job(playing.job_id)
    assert not playing.task.done()
    assert job.status is Status.PROCESSING
    assert job.cancel_requested_at
    gate.touch()
    job = await playing.end()
    assert (job.status, job.result) == (Status.COMPLETED, "finished all the same")


async def test_a_deaf_process_is_killed(stage: Stage, gate: Path) -> None:
    playing = await stage.begin("process", deed="deaf", arguments=[str(gate)])
    pid = (await stage.event(playing.job_id, "begun"))["pid"]
    job = await playing.cancel()
    assert job.status is Status.CANCELLED
    assert is_gone(pid)


@every_mode
async def test_a_timeout_stops_the_handler_and_takes_an_attempt(stage: Stage, mode: str) -> None:
    timeout = 300 if mode == "process" else 50
    job = await stage.play(mode, {"timeout_ms": timeout, "max_attempts": 1}, deed="spin")
    assert job.error
    assert (job.status, job.error["code"]) == (Status.FAILED, "timeout")
    job = await stage.play(mode, {"timeout_ms": timeout, "max_attempts": 2}, deed="spin")
    assert (job.status, job.attempt) == (Status.PENDING, 1)
    assert job.retry_at


@every_mode
async def test_an_interrupted_run_goes_back_to_its_queue_and_keeps_its_attempt(stage: Stage, mode: str) -> None:
    playing = await stage.begin(mode, deed="spin")
    stage.runner.interrupt(playing.job_id)
    job = await playing.end()
    assert (job.status, job.attempt) == (Status.PENDING, 0)
    assert (await stage.log(job.job_id))[-1].parsed() == {"reason": "interrupted"}
    assert (await stage.claim(job.job_id)).attempt == 1


async def test_a_cancel_just_before_a_program_starts_is_not_missed(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Late(Stop):
        """Is asked just after the handler's thread has looked."""

        def tell(self) -> None:
            if not self.ask(Reason.CANCELLED):
                super().tell()

    monkeypatch.setattr("workers.run.execution.Stop", Late)
    job = await stage.play("thread", deed="call", arguments=["sleep 600"])
    assert job.status is Status.CANCELLED


async def test_a_cancel_is_stronger_than_an_interruption(stage: Stage, gate: Path) -> None:
    playing = await stage.begin("thread", deed="spin")
    await stage.jobs.cancel(playing.job_id, "me")
    stage.runner.interrupt(playing.job_id)
    assert (await playing.end()).status is Status.CANCELLED


async def test_a_cancel_the_worker_has_not_heard_of_is_stronger_than_a_wait(stage: Stage, gate: Path) -> None:
    run = await stage.claimed("loop", deed="fail", arguments=["wait"])
    await stage.jobs.cancel(run.job_id, "me")
    await stage.runner.run(run)
    assert (await stage.job(run.job_id)).status is Status.CANCELLED


@every_mode
async def test_a_lost_run_is_stopped_and_writes_nothing_more(stage: Stage, mode: str) -> None:
    playing = await stage.begin(mode, deed="spin")
    stage.runner.lose(playing.job_id)
    seq = (await stage.job(playing.job_id)).seq
    job = await playing.end()
    assert (job.status, job.seq) == (Status.PROCESSING, seq)


@every_mode
async def test_a_run_that_another_has_taken_notices_when_it_tells_something(stage: Stage, mode: str) -> None:
    playing = await stage.begin(mode, deed="spin")
    await stage.redis.hset(f"tidings:{{{playing.job_id}}}:job", "token", "another")  # type: ignore[misc]  # redis-py
    if mode == "loop":
        stage.runner.cancel(playing.job_id)
    job = await playing.end()
    assert job.status is Status.PROCESSING


@every_mode
async def test_a_run_abandoned_by_its_worker_ends_without_a_word(stage: Stage, mode: str) -> None:
    playing = await stage.begin(mode, deed="spin")
    playing.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await playing.task
    assert (await stage.job(playing.job_id)).status is Status.PROCESSING


@pytest.mark.parametrize(
    ("deed", "argument", "message"),
    [
        ("die", signal.SIGSEGV, "killed by SIGSEGV"),
        ("die", signal.SIGKILL, "killed by SIGKILL"),
        ("leave", 7, "ended with code 7"),
    ],
)
async def test_a_process_that_dies_fails_its_job_alone(stage: Stage, deed: str, argument: int, message: str) -> None:
    job = await stage.play("process", {"max_attempts": 1}, deed=deed, arguments=[int(argument)])
    assert job.error
    assert (job.status, job.error["code"]) == (Status.FAILED, "process_died")
    assert message in job.error["message"]


async def test_a_process_does_not_know_our_settings(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDINGS_REDIS_URL", "secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("THEIR_KEY", "secret")
    names = (await stage.play("process", deed="environment")).result
    assert "PATH" in names
    assert not [name for name in names if name.startswith(("TIDINGS_", "AWS_", "THEIR_"))]


async def test_params_that_json_cannot_tell_reach_a_process_as_they_are(stage: Stage) -> None:
    job = await stage.play("dated", day="2026-11-23", inputs={"a": "upload:x"})
    assert job.result == "2026, {'a': 'upload:x'}"


async def test_a_process_dies_with_its_worker(stage: Stage, tmp_path: Path) -> None:
    """The worker here is a child of ours that runs the job, and is killed."""
    run = await stage.claimed("process", deed="spin")
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.lone_runner", str(stage.redis.connection_pool.connection_kwargs["path"])),
        *(str(tmp_path), run.job_id, run.token),
    )
    pid = (await stage.event(run.job_id, "begun"))["pid"]
    worker.kill()
    await worker.wait()
    await until(lambda: is_gone(pid))


async def test_runs_do_not_disturb_each_other(stage: Stage) -> None:
    runs = [await stage.claimed(mode, deed="tell") for mode in MODES for _ in range(3)]
    await asyncio.gather(*(stage.runner.run(run) for run in runs))
    jobs = [await stage.job(run.job_id) for run in runs]
    assert {job.status for job in jobs} == {Status.COMPLETED}


@pytest.mark.parametrize(
    ("stop", "became"),
    [("cancel", Status.CANCELLED), ("interrupt", Status.PENDING), ("lose", Status.PROCESSING)],
)
async def test_a_stop_before_the_handler_begins_is_not_missed(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, stop: str, became: Status
) -> None:
    run = await stage.claimed("loop", deed="spin")
    value = Secret.value

    async def stopped_meanwhile(secret: Secret) -> bytes:
        getattr(stage.runner, stop)(run.job_id)
        return await value(secret)

    if stop == "cancel":
        await stage.jobs.cancel(run.job_id, "me")
    monkeypatch.setattr(Secret, "value", stopped_meanwhile)
    async with asyncio.timeout(20):
        await stage.runner.run(run)
    assert (await stage.job(run.job_id)).status is became


@every_mode
async def test_an_exception_that_cannot_even_be_told_is_the_handlers_error(stage: Stage, mode: str) -> None:
    job = await stage.play(mode, {"max_attempts": 1}, deed="raise_unspeakable")
    assert job.error == {"code": "handler_error", "message": "Unspeakable", "type": "Unspeakable"}


async def test_a_validator_that_breaks_rejects_the_params(stage: Stage) -> None:
    job = await stage.play("validated", {"max_attempts": 1}, word="x")
    assert job.error == {"code": "rejected", "message": "params: they could not be checked (KeyError)"}


async def test_a_stop_for_a_job_that_is_not_run_here_is_nothing(stage: Stage) -> None:
    stage.runner.cancel("unknown")
    stage.runner.lose("unknown")
    stage.runner.interrupt("unknown")
