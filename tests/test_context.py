import asyncio
import signal
from hashlib import sha256
from pathlib import Path

import pytest
from redis.asyncio import Redis

from app.artifacts import artifact_key
from app.jobs import Status
from tests.conftest import is_gone
from tests.gateway import STORES, content_of, store_settings
from tests.stage import MODES, Stage
from tests.watching import until

every_mode = pytest.mark.parametrize("mode", MODES)


@pytest.fixture
def stage(redis: Redis, tmp_path: Path) -> Stage:
    return Stage(redis, tmp_path)


@pytest.fixture(params=STORES)
def stage_with_files(redis: Redis, tmp_path: Path, request: pytest.FixtureRequest) -> Stage:
    """Its files lie on a disk, or in S3."""
    return Stage(redis, tmp_path, **store_settings(request))


@every_mode
async def test_saved_files_are_artifacts_and_the_scratch_folder_goes_with_the_run(
    stage_with_files: Stage, mode: str
) -> None:
    stage = stage_with_files
    job = await stage.play(mode, deed="save")
    name, size, content_type, scratch = job.result
    assert (name, size, content_type) == ("first.txt", 7, "application/x-odd")
    assert [artifact.name for artifact in job.artifacts] == ["first.txt", "second.bin"]
    contents = [content_of(stage.files, artifact_key(artifact.key)) for artifact in job.artifacts]
    assert contents == [b"by path", b"by bytes"]
    assert job.main_artifact
    assert job.main_artifact.name == "second.bin"
    assert not Path(scratch).parent.exists()
    assert await stage.types(job.job_id) == ["artifact", "artifact", "completed"]


async def test_a_run_leaves_the_folder_of_the_next_alone_and_the_last_one_clears_up(stage: Stage) -> None:
    run = await stage.claimed("loop", {"max_attempts": 2}, deed="fail", arguments=["again"])
    folder = stage.data_dir / "scratch" / run.job_id
    (folder / "next").mkdir(parents=True)
    await stage.runner.run(run)
    assert (folder / "next").exists(), "another worker may have begun there"
    await stage.runner.run(await stage.claim(run.job_id))
    assert not folder.exists()


async def test_files_saved_at_the_same_time_do_not_get_mixed_up(stage: Stage) -> None:
    job = await stage.play("loop", deed="save_at_once")
    digests = [sha256(name.encode() * 1000).hexdigest() for name in ("a.txt", "b.txt", "c.txt")]
    assert job.result == digests
    contents = {artifact.name: stage.files.artifact(artifact.key).read_bytes() for artifact in job.artifacts}
    assert contents == {name: name.encode() * 1000 for name in ("a.txt", "b.txt", "c.txt")}


@every_mode
async def test_misuse_of_what_takes_time_raises_in_the_handler(stage: Stage, mode: str) -> None:
    found = (await stage.play(mode, deed="misuse")).result
    os_error = "OSError" if mode == "process" else "FileNotFoundError"
    assert found[0] == "ValueError"
    assert {found[1], found[2]} <= {os_error, "FileNotFoundError"}
    assert found[3:] == ["TypeError", "Failed", "Failed"]


@every_mode
async def test_an_upload_is_opened_under_its_own_name(stage_with_files: Stage, mode: str, tmp_path: Path) -> None:
    stage = stage_with_files
    (tmp_path / "data.csv").write_text("a,b")
    reference = await stage.upload(tmp_path / "data.csv")
    assert (await stage.play(mode, deed="read", arguments=[reference])).result == ["data.csv", "a,b"]


@every_mode
async def test_an_artifact_of_an_earlier_job_is_opened(stage_with_files: Stage, mode: str) -> None:
    stage = stage_with_files
    earlier = await stage.play("loop", deed="save")
    reference = f"artifact:{earlier.job_id}/first.txt"
    assert (await stage.play(mode, deed="read", arguments=[reference])).result == ["first.txt", "by path"]


async def test_what_belongs_to_others_cannot_be_opened(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    upload = await stage.upload(tmp_path / "secret", owner="somebody")
    theirs = await stage.play("loop", {"owner": "somebody"}, deed="save")
    for reference in (upload, f"artifact:{theirs.job_id}/first.txt", f"artifact:{theirs.job_id}/../x", "upload:../x"):
        job = await stage.play("loop", deed="read", arguments=[reference])
        assert job.error
        assert (job.status, job.error["code"]) == (Status.FAILED, "unknown_input")


async def test_an_upload_is_kept_while_it_is_used(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    reference = await stage.upload(tmp_path / "x")
    key = f"tidings:{reference}"
    await stage.redis.pexpire(key, 60_000)
    await stage.play("loop", deed="read", arguments=[reference])
    assert await stage.redis.pttl(key) > 3_000_000


@every_mode
async def test_a_program_tells_its_lines_its_end_and_its_last_words(stage: Stage, mode: str) -> None:
    script = "echo one; printf 'two\\rthree\\r\\nfour'; echo $EXTRA >&2; echo last >&2; exit 3"
    job = await stage.play(mode, deed="call", arguments=[script])
    lines = ["one", "two", "three", "four"]
    assert job.result == {"code": 3, "stdout": lines, "stderr": ["given", "last"]}
    events = [event.parsed()["line"] for event in await stage.log(job.job_id) if event.type == "line"]
    assert events == lines


async def test_a_program_gets_a_clean_environment(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDINGS_REDIS_URL", "secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    job = await stage.play("loop", deed="call", arguments=["env; pwd"])
    names = {line.partition("=")[0] for line in job.result["stdout"]}
    assert {"PATH", "EXTRA"} <= names
    assert "TIDINGS_REDIS_URL" not in names
    assert "AWS_SECRET_ACCESS_KEY" not in names
    assert "/scratch/" in job.result["stdout"][-1]


@every_mode
async def test_a_cancel_ends_a_program_with_all_it_has_started(stage: Stage, mode: str) -> None:
    script = "sleep 600 & echo $!; echo $$; wait"
    run = await stage.claimed(mode, deed="call", arguments=[script])
    task = asyncio.create_task(stage.runner.run(run))
    await until_lines(stage, run.job_id, 2)
    pids = [int(event.parsed()["line"]) for event in await stage.log(run.job_id) if event.type == "line"]
    await stage.jobs.cancel(run.job_id, "me")
    stage.runner.cancel(run.job_id)
    await task
    assert (await stage.job(run.job_id)).status is Status.CANCELLED
    assert all(map(is_gone, pids))


async def test_a_program_that_ignores_sigterm_is_killed(stage: Stage) -> None:
    run = await stage.claimed("thread", deed="call", arguments=["trap '' TERM; echo $$; while :; do sleep 1; done"])
    task = asyncio.create_task(stage.runner.run(run))
    await until_lines(stage, run.job_id, 1)
    pid = int((await stage.event(run.job_id, "line"))["line"])
    stage.runner.lose(run.job_id)
    await task
    assert is_gone(pid)


@every_mode
async def test_what_a_program_leaves_behind_ends_with_it(stage: Stage, mode: str) -> None:
    job = await stage.play(mode, deed="call", arguments=["sleep 600 & echo $!"])
    assert job.result["code"] == 0
    await until(lambda: is_gone(int(job.result["stdout"][0])))


@every_mode
async def test_an_error_on_a_line_ends_the_program_and_is_raised_in_the_handler(stage: Stage, mode: str) -> None:
    job = await stage.play(mode, deed="call_and_object")
    assert job.status is Status.COMPLETED
    assert is_gone(int(job.result))


@pytest.mark.parametrize("mode", ["thread", "process"])
async def test_a_line_may_lead_to_further_calls(stage: Stage, mode: str) -> None:
    assert (await stage.play(mode, deed="save_from_a_line")).result == ["a", "b"]


@pytest.mark.parametrize("mode", ["thread", "process"])
async def test_programs_of_two_threads_get_on_though_one_is_listened_to_slowly(stage: Stage, mode: str) -> None:
    playing = await stage.begin(mode, deed="call_side_by_side")
    slow, busy = (await playing.end()).result
    assert (slow, len(busy)) == (["1", "2"], 200)


async def test_a_long_line_is_cut(stage: Stage) -> None:
    script = "head -c 300000 /dev/zero | tr '\\0' x; echo; echo y"
    job = await stage.play("loop", {"max_attempts": 1}, deed="call", arguments=[script])
    assert job.error
    assert job.error["type"] == "ValueError"
    assert job.error["message"].endswith("is 65547")  # 64 KiB, too much for an event, and a little JSON


async def test_a_program_killed_by_a_signal_says_so(stage: Stage) -> None:
    job = await stage.play("loop", deed="call", arguments=["kill -9 $$"])
    assert job.result["code"] == -signal.SIGKILL


@pytest.mark.parametrize("mode", ["thread", "process"])
async def test_a_blocking_handler_may_log_more_than_the_buffer_holds(stage: Stage, mode: str) -> None:
    job = await stage.play(mode, deed="flood", arguments=[3000])
    assert await stage.lines(job.job_id) == [str(number) for number in range(3000)]


async def test_an_async_handler_that_never_flushes_is_refused_at_last(stage: Stage) -> None:
    job = await stage.play("loop", {"max_attempts": 1}, deed="flood", arguments=[3000, 0])
    assert job.error
    assert job.error["type"] == "EventBufferFull"
    assert await stage.lines(job.job_id) == [str(number) for number in range(1000)]


async def test_an_async_handler_that_flushes_logs_as_much_as_it_likes(stage: Stage) -> None:
    job = await stage.play("loop", deed="flood", arguments=[3000, 500])
    assert await stage.lines(job.job_id) == [str(number) for number in range(3000)]


async def until_lines(stage: Stage, job_id: str, count: int) -> None:
    async with asyncio.timeout(30):
        while [event.type for event in await stage.log(job_id)].count("line") < count:
            await asyncio.sleep(0.005)
