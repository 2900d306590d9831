"""A handler in a process of its own: what it may use, how it dies, and that nothing it prints is lost."""

import asyncio
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from app.jobs import Status
from tests.stage import Stage
from workers import job
from workers.run import death


@pytest.fixture
def stage(redis: Redis, tmp_path: Path) -> Stage:
    return Stage(redis, tmp_path)


async def told(stage: Stage, job_id: str) -> list[tuple[str, str]]:
    """Level and line of its log."""
    events = [event.parsed() for event in await stage.log(job_id) if event.type == "log"]
    return [(event["level"], event["line"]) for event in events]


async def error(stage: Stage, kind: str, deed: str, *arguments: Any) -> Mapping[str, Any]:
    """What the only attempt ended with; the runner still runs others."""
    ended = await stage.play(kind, {"max_attempts": 1}, deed=deed, arguments=list(arguments))
    assert ended.status is Status.FAILED
    assert ended.error
    assert (await stage.play(kind, deed="save")).status is Status.COMPLETED
    return ended.error


async def test_a_handler_that_takes_too_much_memory_is_told_and_fails(stage: Stage) -> None:
    assert (await error(stage, "confined", "eat", 1 << 30))["code"] == "out_of_memory"
    assert (await stage.play("confined", deed="eat", arguments=[32 << 20])).status is Status.COMPLETED
    assert (await stage.play("process", deed="eat", arguments=[300 << 20])).status is Status.COMPLETED


async def test_when_memory_is_short_the_handler_goes_before_its_worker(stage: Stage) -> None:
    played = await stage.play("process", deed="eat", arguments=[0])
    begun = await stage.event(played.job_id, "begun")
    assert int(begun["oom_score_adj"]) >= 500


async def test_a_handler_that_takes_too_much_cpu_is_killed(stage: Stage) -> None:
    message = "The handler's process used more CPU time than its kind may."
    assert await error(stage, "confined", "burn") == {"code": "cpu_limit", "message": message}


async def test_one_that_ignores_that_is_killed_all_the_same(stage: Stage) -> None:
    assert (await error(stage, "confined", "deaf_burn"))["code"] == "process_died"


async def test_what_it_could_not_do_this_time_it_may_do_the_next(stage: Stage) -> None:
    for deed, arguments in [("eat", [1 << 30]), ("burn", [])]:
        again = await stage.play("confined", {"max_attempts": 2}, deed=deed, arguments=arguments)
        assert (again.status, again.attempt) == (Status.PENDING, 1)


@pytest.mark.parametrize("wrong", [{"memory_bytes": 1}, {"process": True, "cpu_seconds": 0}])
def test_limits_are_positive_and_for_processes(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="need process=True"):
        job("x", **wrong)


def test_the_kernels_own_count_tells_who_was_killed_for_memory(tmp_path: Path) -> None:
    (tmp_path / "vmstat").write_text("nr_free_pages 8\noom_kill 3\n")
    assert death.kills_for_memory(tmp_path / "vmstat") == 3
    assert death.kills_for_memory(tmp_path / "nothing") == 0
    codes = [death.cause(-signal.SIGKILL, 3, now).code for now in (3, 4)]
    assert codes == ["process_died", "out_of_memory"]
    assert "signal 40" in str(death.cause(-40, 0, 1))


async def test_what_it_prints_and_what_it_logs_come_in_order(stage: Stage) -> None:
    played = await stage.play("process", deed="print_between", arguments=[200])
    expected = [
        entry
        for number in range(200)
        for entry in [("info", f"log {number}"), ("info", f"print {number}"), ("warning", f"error {number}")]
    ]
    assert await told(stage, played.job_id) == expected


@pytest.mark.parametrize("how", ["kill", "exit", "raise"])
async def test_nothing_it_has_printed_dies_with_it(stage: Stage, how: str) -> None:
    played = await stage.play("process", {"max_attempts": 1}, deed="print_and_die", arguments=[how])
    assert played.status is Status.FAILED
    lines = await stage.lines(played.job_id)
    late = [line for line in lines if not line.startswith("line ")]
    assert [line for line in lines if line.startswith("line ")] == [f"line {number}" for number in range(2_000)]
    assert sorted(late) == sorted(["last", "nativeat exit" if how == "raise" else "native"])


async def test_a_crash_is_told_to_its_last_line_though_redis_was_away(
    stage: Stage, redis: Redis, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    playing = await stage.begin("process", {"max_attempts": 1}, deed="burst", arguments=[4_700, str(gate)])
    await redis.client_pause(500)  # more than fits into outbox and buffers: some is left in the pipe
    gate.touch()
    assert (await playing.end()).status is Status.FAILED
    assert [int(line) for line in await stage.lines(playing.job_id)] == list(range(4_700))


async def test_it_may_print_whatever_a_stream_takes(stage: Stage) -> None:
    played = await stage.play("process", deed="print_oddly")
    assert played.result == ["utf-8", 1, False]
    lines = await told(stage, played.job_id)
    assert {("info", "bytes"), ("info", "forked"), ("warning", "odd \\ud800, logged")} <= set(lines)
    (long,) = [line for _, line in lines if line.startswith("xxx")]
    assert long.endswith("[cut, 65536 bytes]")


async def test_a_signal_handler_may_print_while_something_is_printed(stage: Stage) -> None:
    played = await stage.play("process", deed="print_in_a_signal", arguments=[5_000])
    assert played.status is Status.COMPLETED
    text = "".join(await stage.lines(played.job_id))
    assert text.replace("signal", "") == "".join(map(str, range(5_000)))
    assert "signal" in text


async def test_a_handler_that_prints_without_end_can_be_cancelled(stage: Stage) -> None:
    playing = await stage.begin("process", deed="chatter")
    async with asyncio.timeout(30):
        while not await stage.lines(playing.job_id):
            await asyncio.sleep(0.005)
    assert (await playing.cancel()).status is Status.CANCELLED
